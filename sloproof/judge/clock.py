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
        return f"the clock jumped {way} by {seconds(abs(self.by))} at {seconds(self.time)}"


def jumps(record: Record) -> tuple[Jump, ...]:
    """Every jump between two readings of the clocks."""
    readings = [(e.t, int(str(e.data["drift_ns"]))) for e in record.of_kind("clock")]
    found = []
    for (before, old), (after, new) in pairwise(readings):
        allowed = ALLOWED + (after - before) * SLEW_PER_MILLION // 1_000_000
        if abs(new - old) > allowed:
            found.append(Jump(after, new - old))
    return tuple(found)
