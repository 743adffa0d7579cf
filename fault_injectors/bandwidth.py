"""Little bandwidth on a link."""

from collections.abc import Iterable

from sloproof.contracts import Direction, Fault, Platform, Step, ThrottlesLinks, Throughput, Where


class Bandwidth(Fault):
    """Each connection on a link gets at most `rate`."""

    needs = (ThrottlesLinks,)

    rate: Throughput
    direction: Direction = Direction.DOWNSTREAM

    def __post_init__(self) -> None:
        """Raises `ValueError` for a rate at which nothing would ever arrive."""
        if not self.rate.bytes_per_second:
            raise ValueError(f"rate: {self.rate} lets nothing through (`partition` does that)")

    def plan(self, where: Where, on: Platform) -> Iterable[Step]:
        """One limit a link."""
        return [on.throttle(link, self.rate, self.direction) for link in where.links]
