"""Times of the target on the run's own axis: nanoseconds from its origin, with their error."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Anchor:
    """One moment on both clocks: the run's origin.

    `drift_ns` is how far the wall clock came to differ from the monotonic one during the run; a
    time read off the wall clock may be wrong by as much, either way.
    """

    origin_monotonic_ns: int
    wall_ns_at_origin: int
    drift_ns: int = 0

    def from_monotonic(self, ns: int) -> int:
        """A time of CLOCK_MONOTONIC, from the origin."""
        return ns - self.origin_monotonic_ns

    def from_wall(self, ns: int) -> int:
        """A time since the epoch, from the origin; wrong by up to `wall_error_ns`."""
        return ns - self.wall_ns_at_origin

    @property
    def wall_error_ns(self) -> int:
        """The error of `from_wall`."""
        return abs(self.drift_ns)
