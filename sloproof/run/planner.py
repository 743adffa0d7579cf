"""What a fault would do now: where it strikes, its effects, and how they are seen."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sloproof.contracts import Effect, ProbeSpec, Repeat, Where, Witness
from sloproof.errors import Lacking, PlatformError
from sloproof.model.target import Target
from sloproof.run.crew import Crew
from sloproof.run.selection import resolve, resolve_again
from sloproof.run.timeline import Occurrence
from sloproof.spec.experiment import Experiment, FaultPlan

Meanwhile = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Planned:
    """Where a fault strikes, its effects, and whether it must be held against what comes later."""

    where: Where
    effects: tuple[Effect, ...]
    holds: bool


@dataclass(frozen=True, slots=True)
class Planner:
    """Asks the platform, which may have to ask around; the loop goes on meanwhile."""

    crew: Crew
    seed: int

    def plan(self, plan: FaultPlan, occurrence: int, meanwhile: Meanwhile) -> Planned:
        """What the fault would do now; raises `PlatformError` where it can do nothing."""
        planned: Planned = self.crew.aside(lambda: self._plan(plan, occurrence), meanwhile)
        return planned

    def again(
        self, plan: FaultPlan, occurrence: int, struck: Where, meanwhile: Meanwhile
    ) -> Planned:
        """What a fault that is held would do now: to those it struck, or with `scope: service` to
        all that match now; raises `PlatformError` where it can do nothing."""

        def work() -> Planned:
            if plan.scope == "service":
                return self._plan(plan, occurrence)
            return self._planned(plan, resolve_again(plan, self.crew.platform, struck))

        planned: Planned = self.crew.aside(work, meanwhile)
        return planned

    def witnesses(self, plans: Iterable[FaultPlan], meanwhile: Meanwhile) -> list[Witness]:
        """How all these faults, and what stands beside them, will be seen."""
        found: list[Witness] = self.crew.aside(lambda: self._witnesses(plans), meanwhile)
        return found

    def described(
        self, effect: Effect, occurrence: Occurrence, where: Where, meanwhile: Meanwhile
    ) -> dict[str, Any]:
        """The effect as the record has it."""
        platform = self.crew.platform
        neighbours = self.crew.aside(lambda: platform.neighbours(effect, where.names), meanwhile)
        return {
            "number": effect.owner.number if effect.owner else 0,
            "fault": occurrence.plan.name,
            "occurrence": occurrence.index,
            "effect": str(effect),
            "effect_kind": effect.kind,
            "lasting": effect.lasting,
            "target": _target(effect, where),
            "witness": _seen_by(effect.witness()),
            "neighbours": [_seen_by(witness) for witness in neighbours],
        }

    def _plan(self, plan: FaultPlan, occurrence: int) -> Planned:
        lacking = [self.crew.platform.lacks(need) for need in plan.fault.uses()]
        if any(lacking):
            raise Lacking(f"fault {plan.name}: {'; '.join(filter(None, lacking))}")
        return self._planned(plan, resolve(plan, self.crew.platform, self.seed, occurrence))

    def _planned(self, plan: FaultPlan, where: Where) -> Planned:
        effects: list[Effect] = []
        holds = plan.scope == "service"
        for step in plan.fault.plan(where, self.crew.platform):
            if isinstance(step, Repeat):
                holds = True
                effects.append(step.effect)
            elif isinstance(step, Effect):
                effects.append(step)
        if not effects:
            raise PlatformError(
                f"fault {plan.name}: there is nothing that it could do to its `where`"
            )
        return Planned(where, tuple(effects), holds)

    def _witnesses(self, plans: Iterable[FaultPlan]) -> list[Witness]:
        found: list[Witness] = []
        for plan in plans:
            if plan.fault.points_at == "load":
                continue
            planned = self._plan(plan, 1)
            for effect in planned.effects:
                witness = effect.witness()
                found += [witness] if witness else []
                found += self.crew.platform.neighbours(effect, planned.where.names)
        return found


def probes_of(
    target: Target, witnesses: Sequence[Witness], standing: Sequence[ProbeSpec] = ()
) -> tuple[list[ProbeSpec], list[str]]:
    """The target's probes and signals, the witnesses' and the `standing` ones, each name once; the
    signals' names."""
    own = [
        ProbeSpec(one.name, one.kind, dict(one.params), one.every, one.timeout)
        for one in (*target.probes, *target.signals)
    ]
    seen = [probe for witness in witnesses for probe in witness.probes]
    by_name = {probe.name: probe for probe in (*seen, *standing, *own)}
    return list(by_name.values()), [signal.name for signal in target.signals]


def measured_stores(experiment: Experiment) -> frozenset[str]:
    """The stores whose copies' lag a claim is about."""
    checks = (line.check for line in experiment.verify)
    return frozenset(str(getattr(c, "store", "")) for c in checks if c.measures_lag)


def _target(effect: Effect, where: Where) -> dict[str, Any]:
    """The link or the instance that this effect of the fault is about."""
    links = [link for link in where.links if link.name == effect.concerns()]
    copies = [copy for copy in where.instances if copy.name == effect.concerns()]
    if links:
        return {"link": asdict(links[0])}
    return {"instance": asdict(copies[0])} if copies else {}


def _seen_by(witness: Witness | None) -> dict[str, Any] | None:
    if witness is None:
        return None
    return {
        "sense": witness.sense,
        "probes": [probe.name for probe in witness.probes],
        "kept": [probe.name for probe in witness.probes if probe.params.get("kept")],
        "expected": witness.expected,
        "unit": witness.unit,
        "tolerance": witness.tolerance,
        "of": witness.of,
    }
