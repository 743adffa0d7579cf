"""When faults begin and end: a pure agenda over `at`, `for`, `after` and `repeat`.

Times are nanoseconds from the end of the warm-up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from sloproof.spec.experiment import After, FaultPlan


class State(StrEnum):
    """Where an occurrence of a fault stands."""

    WAITING = "waiting"
    IN_FORCE = "in force"
    OVER = "over"
    MISSED = "missed"


@dataclass(slots=True)
class Occurrence:
    """One time that a fault happens; the second and later ones come from `repeat`."""

    plan: FaultPlan
    index: int
    due: int | None
    state: State = State.WAITING
    ends: int | None = None

    @property
    def id(self) -> tuple[str, int]:
        """The fault's name and the occurrence's number."""
        return self.plan.name, self.index


@dataclass(frozen=True, slots=True)
class Act:
    """Something to do now."""

    do: str
    """`inject`, `end`, or `miss` (its moment never came)."""
    occurrence: Occurrence


@dataclass(slots=True)
class Timeline:
    """The agenda of all faults. The engine asks `acts`, does them, and tells what happened."""

    occurrences: list[Occurrence] = field(default_factory=list)
    _moments: dict[tuple[str, str], int] = field(default_factory=dict)

    @classmethod
    def of(cls, plans: Sequence[FaultPlan]) -> Timeline:
        """The agenda for these faults, those that only change the load left out."""
        timeline = cls()
        for plan in plans:
            if plan.fault.points_at != "load":
                due = plan.at.ns if plan.at is not None else None
                timeline.occurrences.append(Occurrence(plan, 1, due))
        return timeline

    def acts(self, now: int) -> list[Act]:
        """What is due at `now`: ends before beginnings."""
        ends = [
            Act("end", one)
            for one in self.occurrences
            if one.state is State.IN_FORCE and one.ends is not None and one.ends <= now
        ]
        begins = [
            Act("inject", one)
            for one in self.occurrences
            if one.state is State.WAITING and one.due is not None and one.due <= now
        ]
        missed = [
            Act("miss", one)
            for one in self.occurrences
            if one.state is State.WAITING and one.due is None and self._too_late(one, now)
        ]
        return ends + begins + missed

    def injected(self, occurrence: Occurrence, now: int) -> None:
        """`occurrence` is in force since `now`; one that doesn't last is over at once."""
        plan = occurrence.plan
        lasts = plan.fault.lasts()
        occurrence.state = State.IN_FORCE if lasts else State.OVER
        occurrence.ends = now + plan.for_.ns if lasts and plan.for_ else None
        self._happened("injected", plan.name, now)
        if not lasts:
            self._happened("ended", plan.name, now)
        repeat = plan.repeat
        if repeat and occurrence.index < repeat.times:
            nth = Occurrence(plan, occurrence.index + 1, now + repeat.every.ns)
            self.occurrences.append(nth)

    def ended(self, occurrence: Occurrence, now: int) -> None:
        """`occurrence` is over since `now`."""
        occurrence.state = State.OVER
        self._happened("ended", occurrence.plan.name, now)

    def missed(self, occurrence: Occurrence) -> None:
        """The moment that `occurrence` waited for never came."""
        occurrence.state = State.MISSED

    def detected(self, fault: str, now: int) -> None:
        """The system under test has detected `fault` at `now`."""
        self._happened("detected", fault, now)

    @property
    def in_force(self) -> list[Occurrence]:
        """What is in force."""
        return [one for one in self.occurrences if one.state is State.IN_FORCE]

    @property
    def finished(self) -> bool:
        """Whether nothing more will happen."""
        return all(one.state in (State.OVER, State.MISSED) for one in self.occurrences)

    def undetected(self) -> list[str]:
        """The faults that were injected and wait to be detected for another to follow."""
        waited = {
            one.plan.after.detected
            for one in self.occurrences
            if one.state is State.WAITING and one.due is None and one.plan.after
        }
        return [name for name in waited if name and ("injected", name) in self._moments]

    def expected_end(self) -> int:
        """When the last fault ends if all goes by plan; for the progress shown to people."""
        ends = [0]
        for one in self.occurrences:
            begin = one.due or 0
            repeat = one.plan.repeat
            more = (repeat.times - one.index) * repeat.every.ns if repeat else 0
            ends.append(one.ends or begin + more + (one.plan.for_.ns if one.plan.for_ else 0))
        return max(ends)

    def _happened(self, what: str, fault: str, now: int) -> None:
        if (what, fault) in self._moments:
            return
        self._moments[what, fault] = now
        for one in self.occurrences:
            after = one.plan.after
            if after and one.due is None and _awaits(after) == (what, fault):
                one.due = now + after.plus.ns

    def _too_late(self, one: Occurrence, now: int) -> bool:
        after = one.plan.after
        if after is None:
            return False
        since = self._moments.get(("injected", _awaits(after)[1]))
        return since is not None and now - since > after.within.ns


def _awaits(after: After) -> tuple[str, str]:
    for what in ("detected", "injected", "ended"):
        fault = getattr(after, what)
        if fault:
            return what, fault
    return "", ""
