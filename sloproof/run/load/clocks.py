"""How far another host's monotonic clock is from ours: the message that came back quickest tells.

With `t0` and `t2` the asker's times around a question, and `t1` the answerer's in between, the
asker's clock is ahead by `(t0 + t2) / 2 − t1`, wrong by at most half the way there and back
(Cristian, *Probabilistic clock synchronization*, Distributed Computing 3, 1989).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Ping:
    """One question and its answer, in nanoseconds of two clocks."""

    asked: int
    answered: int
    returned: int


@dataclass(frozen=True, slots=True)
class ClockOffset:
    """What to subtract from a worker's times to have the engine's, give or take `error_ns`."""

    offset_ns: int = 0
    error_ns: int = 0


def offset_of(pings: Iterable[Ping]) -> ClockOffset:
    """The offset by the quickest of `pings`."""
    best = min(pings, key=lambda ping: ping.returned - ping.asked)
    middle = (best.asked + best.returned) // 2
    return ClockOffset(middle - best.answered, (best.returned - best.asked + 1) // 2)


def spanning(before: ClockOffset, after: ClockOffset) -> ClockOffset:
    """One offset for the time between two, its error wide enough for the drift between them."""
    offset = (before.offset_ns + after.offset_ns) // 2
    errors = (abs(each.offset_ns - offset) + each.error_ns for each in (before, after))
    return ClockOffset(offset, max(errors))
