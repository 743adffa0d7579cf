"""A link cut."""

from collections.abc import Iterable

from sloproof.contracts import CutMode, CutsLinks, Fault, Platform, Step, Where


class Partition(Fault):
    """Nothing passes a link. `refused`: connections are refused; `blackhole`: bytes vanish."""

    needs = (CutsLinks,)

    mode: CutMode = CutMode.REFUSED

    def plan(self, where: Where, on: Platform) -> Iterable[Step]:
        """One cut a link."""
        return [on.cut(link, self.mode) for link in where.links]
