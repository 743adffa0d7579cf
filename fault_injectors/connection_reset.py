"""Connections reset on a link."""

from collections.abc import Iterable

from sloproof.contracts import Duration, Fault, Platform, ResetsLinks, Step, Where


class ConnectionReset(Fault):
    """Connections on a link are reset `after` their next byte, those open before included."""

    needs = (ResetsLinks,)

    after: Duration = Duration(0)

    def plan(self, where: Where, on: Platform) -> Iterable[Step]:
        """One reset a link."""
        return [on.reset(link, self.after) for link in where.links]
