"""The claim that the system brings back by itself what was struck down."""

from __future__ import annotations

from dataclasses import dataclass

from sloproof.contracts import (
    Check,
    Duration,
    Evidence,
    Finding,
    InstanceName,
    Number,
    Outcome,
    ServiceName,
)
from sloproof.judge.copies import Copies
from sloproof.judge.facts import EffectFacts, InstanceTarget, SystemEvent, system_events
from sloproof.judge.study import faults_of, healer_tells
from sloproof.judge.wording import at, count, seconds, worst_first
from sloproof.model.verdict import worst
from sloproof.record.reader import Record


class SelfHealing(Check):
    """What a fault killed of `service` or `instance` (or at all) the system healed `within`."""

    kind = "self_healing"
    windowed = False

    service: ServiceName = ""
    instance: InstanceName = ""
    within: Duration | None = None

    def label(self) -> str:
        """The instance or the service it is about."""
        return self.instance or self.service

    def judge(self, evidence: Evidence) -> Finding:
        """PASS where every blow was healed, in time, by the system, and no copy is missing."""
        struck = [
            effect
            for fault in faults_of(evidence)
            for effect in fault.facts.effects
            if effect.applied is not None and self._about(effect)
        ]
        if not struck:
            where = f" of {self.label()}" if self.label() else ""
            return Finding(Outcome.INCONCLUSIVE, f"nothing{where} was struck that has to be healed")
        end = evidence.windows["run"].end
        told = healer_tells(evidence)
        found = [_healing(evidence.record, effect, end, told=told) for effect in struck]
        outcomes = [each.outcome(self.within) for each in found]
        outcome = worst(outcomes)
        telling = [e for e, o in zip(found, outcomes, strict=True) if o is outcome]
        slowest_first = sorted(telling, key=lambda each: -each.lasted)
        reason = worst_first(
            [each.words(self.within) for each in slowest_first], passed=outcome is Outcome.PASS
        )
        missing = Copies.of(evidence.record).missing(self.service)
        if missing and outcome is Outcome.PASS:
            outcome = Outcome.INCONCLUSIVE
            reason += f"; but {', '.join(missing)} lived before the faults and not after them"
        limit = () if self.within is None else (Number("at most", at(self.within.ns), "s"),)
        return Finding(
            outcome,
            reason,
            (*(each.number() for each in sorted(found, key=lambda e: -e.lasted)), *limit),
            tuple(note for each in found for note in each.notes(evidence.record)),
        )

    def _about(self, effect: EffectFacts) -> bool:
        """A blow, or what an instance that it names suffered until somebody ended it."""
        target = effect.target
        if not (self.service or self.instance):
            return effect.lasting or effect.cleared_itself
        return isinstance(target, InstanceTarget) and (
            self.service in ("", target.service) and self.instance in ("", target.name)
        )


@dataclass(frozen=True, slots=True)
class Healing:
    """One blow, and how it was healed; `took` in nanoseconds, at least `waited` where it wasn't.

    With `silent` the system tells of its healing, but not of this one: somebody else may have done
    it.
    """

    where: str
    took: int | None
    waited: int
    by_harness: bool
    healer: SystemEvent | None
    verified: int | None
    """How long after the blow the system said that it had verified the repair."""
    silent: bool

    @property
    def lasted(self) -> int:
        """How long it lay low, as far as was seen."""
        return self.waited if self.took is None else self.took

    def outcome(self, within: Duration | None) -> Outcome:
        """Healed in time, not healed in time, or not long enough watched."""
        if self.took is not None:
            late = within is not None and self.took > within.ns
            shown = Outcome.INCONCLUSIVE if self.silent else Outcome.PASS
            return Outcome.FAIL if late else shown
        too_long = within is not None and self.waited > within.ns
        unhealed = within is None and self.by_harness
        return Outcome.FAIL if too_long or unhealed else Outcome.INCONCLUSIVE

    def words(self, within: Duration | None) -> str:
        """What happened, for people."""
        limit = f" (at most {within})" if within is not None else ""
        if self.took is None:
            ending = "the harness restored it" if self.by_harness else "the record ended"
            return f"{self.where} was not healed for {seconds(self.waited)}, then {ending}{limit}"
        healer = f" by {self.healer.source} ({self.healer.event})" if self.healer else ""
        verified = ", not verified"
        if self.verified is not None:
            verified = f", verified {seconds(self.verified)} after the blow"
        doubt = ", but no event of the system says that it did so" if self.silent else verified
        return f"{self.where} was healed{healer} after {seconds(self.took)}{limit}{doubt}"

    def number(self) -> Number:
        """How long it took."""
        took = None if self.took is None else at(self.took)
        return Number(f"healed {self.where}", took, "s", at(self.waited), took, ("at most",))

    def notes(self, record: Record) -> tuple[str, ...]:
        """What the system's own events leave open."""
        if self.took is None or self.healer is not None:
            return ()
        told = count(len(system_events(record)), "event")
        return (f"no event of the system says who healed {self.where} ({told} in all)",)


def _healing(record: Record, effect: EffectFacts, end: int, *, told: bool) -> Healing:
    struck = effect.applying or 0
    healed = effect.healed
    if healed is None and effect.lasting and effect.outcome == "absent":
        healed = effect.undone
    last = effect.undoing if healed is None else healed
    until = end if last is None else last
    healer = _told(record, effect, ("action", "repaired"), until)
    verified = _told(record, effect, ("verified",), None)
    return Healing(
        where=str(effect.target or effect.text),
        took=None if healed is None else healed - struck,
        waited=max(0, until - struck),
        by_harness=healed is None and effect.outcome == "reverted",
        healer=healer,
        verified=None if verified is None else max(0, verified.time - struck),
        silent=told and healer is None,
    )


def _told(
    record: Record, effect: EffectFacts, roles: tuple[str, ...], until: int | None
) -> SystemEvent | None:
    """The first event in one of `roles` about the instance that was struck."""
    target = effect.target
    names = ("", target.name) if isinstance(target, InstanceTarget) else ("",)
    for event in system_events(record, *roles):
        late = until is not None and event.time - event.error > until
        if event.instance in names and event.time + event.error >= (effect.applying or 0):
            return None if late else event
    return None
