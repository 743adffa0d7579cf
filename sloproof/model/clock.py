"""Clocks are passed in, so that an hour's drill runs in milliseconds under a simulated one."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Protocol


class Clock(Protocol):
    """Monotonic nanoseconds to measure with, wall-clock nanoseconds to anchor them, and waiting."""

    def now(self) -> int:
        """Monotonic nanoseconds; only differences mean something."""
        ...

    def wall(self) -> int:
        """Nanoseconds since the epoch, UTC; may jump."""
        ...

    def sleep(self, ns: int) -> None:
        """Wait `ns` nanoseconds of this clock, or nothing if that isn't positive."""
        ...


class SystemClock:
    """This machine's clocks; the monotonic one is shared by all its processes."""

    def now(self) -> int:
        """CLOCK_MONOTONIC in nanoseconds."""
        return time.monotonic_ns()

    def wall(self) -> int:
        """CLOCK_REALTIME in nanoseconds since the epoch."""
        return time.time_ns()

    def sleep(self, ns: int) -> None:
        """Sleep for `ns` nanoseconds."""
        if ns > 0:
            time.sleep(ns / 1e9)


PRECISE = 100_000
TRIES = 10


def wall_minus_monotonic(clock: Clock) -> int:
    """How far the wall clock is ahead of the monotonic one, in nanoseconds.

    The wall clock is read between two readings of the other; of several tries the one with the
    least time between them counts, so that a busy machine isn't taken for a clock that jumps.
    """
    best, offset = -1, 0
    for _ in range(TRIES):
        before, wall, after = clock.now(), clock.wall(), clock.now()
        if best < 0 or after - before < best:
            best, offset = after - before, wall - (before + after) // 2
        if best <= PRECISE:
            break
    return offset


def boot_id() -> str:
    """The kernel's id of this boot; effects of an earlier one that live in memory are gone."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return "unknown"
