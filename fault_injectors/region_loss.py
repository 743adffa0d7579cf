"""A region lost."""

from collections.abc import Iterable
from typing import Literal

from sloproof.contracts import (
    CutMode,
    CutsLinks,
    Duration,
    Fault,
    KillMode,
    Kills,
    Platform,
    Repeat,
    Step,
    Where,
)

AGAIN = Duration(100_000_000)


class RegionLoss(Fault):
    """All of a region dies and stays dead (`kill`), or nothing passes its links (`cut`).

    What is cut are the links into it, out of it and within it; `mode` says what callers see.
    """

    needs = (Kills, CutsLinks)
    points_at = "regions"

    how: Literal["kill", "cut"] = "kill"
    mode: CutMode = CutMode.REFUSED

    def uses(self) -> tuple[type, ...]:
        """Only one of the two: links can be cut where nobody may kill, and the other way round."""
        return (CutsLinks,) if self.how == "cut" else (Kills,)

    def plan(self, where: Where, on: Platform) -> Iterable[Step]:
        """One cut a link, or one blow a copy, again and again."""
        if self.how == "cut":
            return [on.cut(link, self.mode) for link in where.links]
        return [
            Repeat(on.kill(copy, KillMode.CRASH, "KILL", Duration(0)), AGAIN)
            for copy in where.instances
        ]
