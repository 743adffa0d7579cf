"""Whether the clock jumped: then times before and after it don't belong together."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from sloproof.judge.wording import seconds
from sloproof.record.reader import Record

ALLOWED = 50_000_000
"""A change between two readings that is no jump, in nanoseconds."""
SLEW_PER_MILLION = 500
"""How fast the kernel may steer the wall clock without a jump (adjtimex(2), tick and freq)."""


@dataclass(frozen=True, slots=True)
class Jump:
    """The wall clock moved by `by` nanoseconds against the monotonic one."""

    time: int
    by: int

    def __str__(self) -> str:
        way = "forward" if self.by > 0 else "back"
        when = f"{seconds(self.time)} into the record"
        return f"the clock jumped {way} by {seconds(abs(self.by))}, {when}"


def jumps(record: Record) -> tuple[Jump, ...]:
    """Every jump between two readings of the clocks.

    A single reading that lies off while those around it agree is no jump: its reader was held up
    between one clock and the other.
    """
    readings = [(e.t, int(str(e.data["drift_ns"]))) for e in record.of_kind("clock")]
    steady = readings[:1]
    for reading, following in pairwise([*readings[1:], *readings[-1:]]):
        misread = _jumps(steady[-1], reading) and not _jumps(steady[-1], following)
        if not misread or reading == following:
            steady.append(reading)
    return tuple(
        Jump(after[0], after[1] - before[1])
        for before, after in pairwise(steady)
        if _jumps(before, after)
    )


def _jumps(before: tuple[int, int], after: tuple[int, int]) -> bool:
    allowed = ALLOWED + (after[0] - before[0]) * SLEW_PER_MILLION // 1_000_000
    return abs(after[1] - before[1]) > allowed
