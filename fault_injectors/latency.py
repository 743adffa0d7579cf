"""Latency on a link."""

from collections.abc import Iterable

from sloproof.contracts import DelaysLinks, Direction, Duration, Fault, Platform, Step, Where


class Latency(Fault):
    """Every byte on a link arrives later. `direction: both` delays each way."""

    needs = (DelaysLinks,)

    delay: Duration
    jitter: Duration = Duration(0)
    direction: Direction = Direction.DOWNSTREAM

    def __post_init__(self) -> None:
        """Raises `ValueError` for a delay of nothing, or a jitter beyond the delay."""
        if not self.delay.ns:
            raise ValueError(f"delay: {self.delay} is none at all")
        if self.jitter > self.delay:
            raise ValueError(f"jitter: {self.jitter} is more than the delay of {self.delay}")

    def plan(self, where: Where, on: Platform) -> Iterable[Step]:
        """One delay a link."""
        return [on.delay(link, self.delay, self.jitter, self.direction) for link in where.links]
