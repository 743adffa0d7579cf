"""A copy of a service killed."""

from collections.abc import Iterable
from typing import Literal

from sloproof.contracts import Duration, Fault, KillMode, Kills, Platform, Repeat, Step, Where

AGAIN = Duration(100_000_000)


class PodKill(Fault):
    """A copy dies: `crash` by a signal, `delete` by its platform. `hold` keeps it dead."""

    needs = (Kills,)
    points_at = "instances"

    mode: KillMode = KillMode.CRASH
    signal: Literal["KILL", "TERM", "INT", "QUIT", "ABRT", "SEGV", "HUP"] = "KILL"
    grace: Duration = Duration(0)
    hold: bool = False

    def plan(self, where: Where, on: Platform) -> Iterable[Step]:
        """One blow a copy, or one again and again while it is held."""
        blows = [on.kill(copy, self.mode, self.signal, self.grace) for copy in where.instances]
        return [Repeat(blow, AGAIN) for blow in blows] if self.hold else blows

    def lasts(self) -> bool:
        """Only a kill that is held lasts."""
        return self.hold
