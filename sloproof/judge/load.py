"""Load adequacy: whether the generator did its part, or the numbers speak of the generator."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from sloproof.contracts import Window
from sloproof.judge.quantile import at_ranks, rank
from sloproof.judge.wording import count, percent, seconds
from sloproof.record.reader import Batch, Record
from sloproof.record.schema import NEVER, RequestOutcome

TOLERANCE = Fraction(1, 1000)
"""How far delivered arrivals may be off the planned ones, and the greatest share of late ones."""
_P99 = Fraction(99, 100)
_MOST = np.uint32(2**32 - 1)


@dataclass(slots=True, eq=False)
class Arrivals:
    """Looks at the requests in passing: which arrivals came, how late they started, in `run`.

    Only the first request of an arrival has an intended time of its own; the others were meant to
    start when they did. Lateness saturates at 4.29 s, long past any bound.
    """

    run: Window
    late: int = 0
    no_slot: int = 0
    untrue: int = 0
    _came: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(1 << 16, dtype=bool))
    _lateness: list[NDArray[np.uint32]] = field(default_factory=list)

    COLUMNS: ClassVar[tuple[str, ...]] = ("sent", "arrival", "late")

    def see(self, batch: Batch) -> None:
        """Take in one batch of requests."""
        arrival = batch["arrival"]
        if not len(arrival):
            return
        highest = int(arrival.max())
        if highest >= len(self._came):
            room = max(highest + 1, 2 * len(self._came))
            self._came = np.concatenate((self._came, np.zeros(room - len(self._came), dtype=bool)))
        self._came[arrival] = True
        intended, sent = batch["intended"], batch["sent"]
        inside = (intended >= self.run.begin) & (intended < self.run.end)
        refused = batch["outcome"] == RequestOutcome.NO_SLOT
        self.late += int(np.count_nonzero(inside & (batch["late"] != 0)))
        self.no_slot += int(np.count_nonzero(inside & refused))
        finished = batch["finished"]
        endless = (batch["outcome"] == RequestOutcome.OK) & (finished == NEVER)
        self.untrue += int(np.count_nonzero(endless | (finished < sent)))
        lateness = (sent - intended)[inside & ~refused & (sent > intended)]
        self._lateness.append(np.minimum(lateness, _MOST).astype(np.uint32))

    @property
    def delivered(self) -> int:
        """How many arrivals left a request in the record."""
        return int(np.count_nonzero(self._came))

    def lateness_p99(self) -> int | None:
        """The 99th percentile of how late arrivals started, in nanoseconds."""
        found = np.concatenate(self._lateness or [np.zeros(0, dtype=np.uint32)])
        self._lateness = [found]
        return at_ranks(found, rank(len(found), _P99))[0] if len(found) else None


@dataclass(frozen=True, slots=True)
class LoadAdequacy:
    """The generator's work; `reason` is "" where it was adequate."""

    planned: int | None
    delivered: int
    late: int
    late_ratio: Fraction
    lateness_p99: int | None
    bound: int | None
    no_slot: int
    reason: str
    untrue: int = 0

    @property
    def adequate(self) -> bool:
        """Whether the load was delivered as planned and in time."""
        return not self.reason


def load_adequacy(
    record: Record, arrivals: Arrivals, counted: int, *, bound: int | None, wanted: bool
) -> LoadAdequacy | None:
    """How well the load was delivered, `counted` requests in the run; None without any load.

    `bound` is the experiment's on the lateness p99, where the record's own events have none;
    `wanted` whether the experiment has a load at all.
    """
    started = record.of_kind("load.started")
    ends = record.of_kind("load.finished")
    if not (wanted or started or ends or record.has("requests")):
        return None
    facts = ends[-1].data if ends else {}
    told = facts.get("bound_ns", bound)
    limit = told if isinstance(told, int) else bound
    planned = facts.get("planned")
    p99 = arrivals.lateness_p99()
    found = LoadAdequacy(
        planned=planned if isinstance(planned, int) else None,
        delivered=arrivals.delivered,
        late=arrivals.late,
        late_ratio=Fraction(arrivals.late, counted) if counted else Fraction(0),
        lateness_p99=p99,
        bound=limit,
        no_slot=arrivals.no_slot,
        reason="",
        untrue=arrivals.untrue,
    )
    reason = _ending(bool(started), facts if ends else None) or _shortfall(found)
    return replace(found, reason=reason)


def _ending(started: bool, facts: dict[str, object] | None) -> str:
    """What is wrong with how the generator began and ended."""
    if not started:
        return "the load never started"
    if facts is None:
        return "the end of the load was not recorded"
    status = facts.get("exit", 0)
    return f"the load generator ended with status {status}" if status not in (0, None) else ""


def _shortfall(found: LoadAdequacy) -> str:
    """What is wrong with the arrivals themselves."""
    if not found.planned:
        unknown = "how many arrivals were planned was not recorded"
        return unknown if found.planned is None else "the load had no arrivals"
    if found.untrue:
        return (
            f"{count(found.untrue, 'request')} can't have ended as recorded: "
            f"good without ever being answered, or answered before being sent"
        )
    missing = abs(found.planned - found.delivered)
    if missing > TOLERANCE * found.planned:
        return (
            f"{found.delivered:,} arrivals were delivered of {found.planned:,} planned "
            f"(may differ by {percent(TOLERANCE)})"
        )
    if found.late_ratio > TOLERANCE:
        return (
            f"{found.late:,} requests started late although a slot was free "
            f"({percent(found.late_ratio)}, at most {percent(TOLERANCE)} may)"
        )
    p99 = found.lateness_p99
    if p99 is not None and found.bound is not None and p99 > found.bound:
        return (
            f"arrivals started {seconds(p99)} late at the 99th percentile "
            f"(bound {seconds(found.bound)})"
        )
    return ""
