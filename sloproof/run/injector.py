"""Bringing faults about and taking them back: every effect journalled before it is applied."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from sloproof.contracts import Effect, Json, Owner, Repeat, Undone, Where, Witness
from sloproof.errors import EffectError, PlatformError
from sloproof.model.clock import boot_id
from sloproof.run.crew import Crew
from sloproof.run.journal import Entry, Journal, Stage
from sloproof.run.reversal import Reverted, revert
from sloproof.run.selection import resolve
from sloproof.run.timeline import Occurrence
from sloproof.spec.experiment import FaultPlan

HOLD = 200_000_000
WITNESSES = 5_000_000_000
HEAL_CHECK = 200_000_000

Tell = Callable[..., None]


@dataclass(slots=True)
class InForce:
    """The effects of one occurrence: those applied, and when to look for new ones to hold."""

    occurrence: Occurrence
    applied: list[tuple[Effect, Json]] = field(default_factory=list)
    holds: bool = False
    next_look: int = 0


class Injector:
    """Plans faults on the platform, journals and applies their effects, reverts them."""

    def __init__(self, crew: Crew, run: str, seed: int, journal: Journal, tell: Tell) -> None:
        self._crew = crew
        self._run = run
        self._seed = seed
        self._journal = journal
        self._tell = tell
        self._count = 0
        self._in_force: dict[tuple[str, int], InForce] = {}
        self._unhealed: dict[int, Entry] = {}
        self._mooted: set[int] = set()
        self._next_heal_check = 0

    # -- planning

    def plan(self, plan: FaultPlan, occurrence: int) -> tuple[Where, list[Effect], bool]:
        """What the fault would do now: where, its effects, and whether it must be held."""
        lacking = [self._crew.platform.lacks(need) for need in plan.fault.needs]
        if any(lacking):
            raise PlatformError(f"fault {plan.name}: {'; '.join(filter(None, lacking))}")
        where = resolve(plan, self._crew.platform, self._seed, occurrence)
        effects: list[Effect] = []
        holds = plan.scope == "service"
        for step in plan.fault.plan(where, self._crew.platform):
            if isinstance(step, Repeat):
                holds = True
                effects.append(step.effect)
            elif isinstance(step, Effect):
                effects.append(step)
        return where, effects, holds

    def witnesses(self, plans: Iterable[FaultPlan]) -> list[Witness]:
        """How all these faults, and what stands beside them, will be seen."""
        found: list[Witness] = []
        for plan in plans:
            if plan.fault.points_at == "load":
                continue
            where, effects, _ = self.plan(plan, 1)
            for effect in effects:
                witness = effect.witness()
                found += [witness] if witness else []
                found += self._crew.platform.neighbours(effect, where.names)
        return found

    # -- injecting

    def inject(self, occurrence: Occurrence, now: int, meanwhile: Callable[[], None]) -> None:
        """Bring the occurrence about; raises `EffectError` or `PlatformError` where it can't."""
        plan = occurrence.plan
        where, effects, holds = self.plan(plan, occurrence.index)
        state = InForce(occurrence, holds=holds, next_look=now + HOLD)
        self._in_force[occurrence.id] = state
        numbered = [self._numbered(effect) for effect in effects]
        self._tell(
            "fault.injecting",
            fault=plan.name,
            occurrence=occurrence.index,
            inject=plan.fault.kind,
            fields=plan.fault.fields(),
            where=sorted(where.names),
            effects=[effect.owner.number for effect in numbered if effect.owner],
        )
        self._await_witnesses(numbered, meanwhile)
        for effect in numbered:
            self._planned(effect, occurrence, where)
            state.applied.append((effect, self.apply(effect, meanwhile)))

    def hold(self, now: int, meanwhile: Callable[[], None]) -> None:
        """Let faults that hold also strike what came since."""
        for state in list(self._in_force.values()):
            if not state.holds or now < state.next_look:
                continue
            state.next_look = now + HOLD
            try:
                where, effects, _ = self.plan(state.occurrence.plan, state.occurrence.index)
            except PlatformError:
                continue  # nothing lives now that could be struck
            nobody = Owner(self._run, 0)
            struck = [effect.bound(nobody) for effect, _ in state.applied]
            for effect in effects:
                if effect.bound(nobody) not in struck:
                    numbered = self._numbered(effect)
                    self._planned(numbered, state.occurrence, where)
                    state.applied.append((numbered, self.apply(numbered, meanwhile)))

    def apply(self, effect: Effect, meanwhile: Callable[[], None]) -> Json:
        """Capture, journal, apply, journal; gives what was captured.

        What starts a process does so from this thread, with which the process dies.
        """
        aside = (lambda work, _: work()) if effect.foundation else self._crew.aside
        number = effect.owner.number if effect.owner else 0
        prior = aside(effect.capture, meanwhile)
        self._journal.intend(effect, prior, boot_id())
        self._tell("effect.applying", number=number)
        try:
            aside(lambda: effect.apply(prior), meanwhile)
        except EffectError as error:
            self._journal.mark(number, Stage.REFUSED, error=str(error))
            self._tell("effect.failed", number=number, error=str(error))
            raise
        self._journal.mark(number, Stage.APPLIED)
        self._tell("effect.applied", number=number)
        if effect.lasting:
            self._unhealed[number] = self._journal.view().entries[number]
        captured: Json = prior
        return captured

    def found(self, effect: Effect, meanwhile: Callable[[], None]) -> None:
        """Apply an effect that isn't a fault's: a process the harness starts."""
        self.apply(self._numbered(effect), meanwhile)

    # -- ending

    def end(self, occurrence: Occurrence, meanwhile: Callable[[], None]) -> list[Reverted]:
        """Take back what the occurrence did; lasting effects stay. Gives what failed."""
        state = self._in_force.pop(occurrence.id, InForce(occurrence))
        numbers = {effect.owner.number for effect, _ in state.applied if effect.owner}
        entries = self._journal.view().entries
        failed = self._revert([entries[n] for n in numbers if n not in self._unhealed], meanwhile)
        self._tell("fault.ended", fault=occurrence.plan.name, occurrence=occurrence.index)
        return failed

    def settle(self, occurrence: Occurrence) -> None:
        """A single blow is over as soon as it is struck."""
        self._in_force.pop(occurrence.id, None)
        self._tell("fault.ended", fault=occurrence.plan.name, occurrence=occurrence.index)

    def watch_healing(self, now: int) -> bool:
        """Whether the system has healed all that can't be undone; notes what it sees healed."""
        if now >= self._next_heal_check:
            self._next_heal_check = now + HEAL_CHECK
            for number, entry in list(self._unhealed.items()):
                if not entry.load().present(entry.prior):
                    del self._unhealed[number]
                    self._tell("effect.healed", number=number)
            self._watch_moot()
        return not self._unhealed

    def _watch_moot(self) -> None:
        """Note which effects in force ended because the system replaced what they changed."""
        for state in self._in_force.values():
            for effect, prior in state.applied:
                number = effect.owner.number if effect.owner else 0
                if number not in self._mooted and effect.moot(prior):
                    self._mooted.add(number)
                    self._tell("effect.healed", number=number)

    def restore(self, meanwhile: Callable[[], None], *, foundations: bool) -> list[Reverted]:
        """Take back all that is left, or (`foundations`) the processes that were started."""
        left = [
            entry
            for entry in self._journal.view().open_entries
            if entry.load().foundation is foundations
        ]
        return self._revert(left, meanwhile)

    def _revert(self, entries: Sequence[Entry], meanwhile: Callable[[], None]) -> list[Reverted]:
        for entry in entries:
            self._tell("effect.undoing", number=entry.number, by="engine")

        def done(result: Reverted) -> None:
            number = result.number
            if result.outcome is None:
                facts = {"error": result.error, "remedy": result.remedy}
                self._tell("effect.undo_failed", number=number, effect=result.effect, **facts)
                return
            self._unhealed.pop(number, None)
            self._journal.mark(number, Stage.UNDONE, outcome=result.outcome, by="engine")
            self._tell("effect.undone", number=number, outcome=result.outcome, by="engine")
            if result.outcome is Undone.FOREIGN:
                self._tell("effect.foreign", number=number, effect=result.effect)

        return revert(entries, done=done, meanwhile=meanwhile)

    # -- witnesses

    def _await_witnesses(self, effects: list[Effect], meanwhile: Callable[[], None]) -> None:
        """See that each effect's witness has looked at least once before it is applied."""
        names: list[str] = []
        for effect in effects:
            witness = effect.witness()
            for probe in witness.probes if witness else ():
                names.append(probe.name)
                if not self._crew.prober.sampled(probe.name):
                    self._crew.prober.add(probe)
        deadline = self._crew.clock.now() + WITNESSES
        while not all(map(self._crew.prober.sampled, names)):
            if self._crew.clock.now() > deadline:
                return  # the judge will say that it was not seen absent before
            meanwhile()

    def _planned(self, effect: Effect, occurrence: Occurrence, where: Where) -> None:
        neighbours = self._crew.platform.neighbours(effect, where.names)
        self._tell(
            "effect.planned",
            number=effect.owner.number if effect.owner else 0,
            fault=occurrence.plan.name,
            occurrence=occurrence.index,
            effect=str(effect),
            effect_kind=effect.kind,
            lasting=effect.lasting,
            target=_target(effect, where),
            witness=_seen_by(effect.witness()),
            neighbours=[_seen_by(witness) for witness in neighbours],
        )

    def _numbered(self, effect: Effect) -> Effect:
        self._count += 1
        return effect.bound(Owner(self._run, self._count))


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
    }
