"""Little bandwidth on a link."""

from collections.abc import Iterable

from sloproof.contracts import Direction, Fault, Platform, Step, ThrottlesLinks, Throughput, Where


class Bandwidth(Fault):
    """Each connection on a link gets at most `rate`."""

    needs = (ThrottlesLinks,)

    rate: Throughput
    direction: Direction = Direction.DOWNSTREAM

    def plan(self, where: Where, on: Platform) -> Iterable[Step]:
        """One limit a link."""
        return [on.throttle(link, self.rate, self.direction) for link in where.links]
