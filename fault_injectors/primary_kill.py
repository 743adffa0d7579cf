"""The primary of a store killed."""

from collections.abc import Iterable
from typing import Literal

from sloproof.contracts import Duration, Fault, KillMode, Kills, Platform, Repeat, Step, Where

AGAIN = Duration(100_000_000)


class PrimaryKill(Fault):
    """The copy that is a store's primary dies by a signal. `hold` keeps that copy dead."""

    needs = (Kills,)
    points_at = "instances"
    role = "primary"

    signal: Literal["KILL", "TERM", "INT", "QUIT", "ABRT", "SEGV"] = "KILL"
    hold: bool = False

    def plan(self, where: Where, on: Platform) -> Iterable[Step]:
        """One blow, or one again and again while it is held."""
        blows = [
            on.kill(copy, KillMode.CRASH, self.signal, Duration(0)) for copy in where.instances
        ]
        return [Repeat(blow, AGAIN) for blow in blows] if self.hold else blows

    def lasts(self) -> bool:
        """Only a kill that is held lasts."""
        return self.hold
