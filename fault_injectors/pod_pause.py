"""A copy of a service stopped where it stands."""

from collections.abc import Iterable

from sloproof.contracts import Fault, Pauses, Platform, Step, Where


class PodPause(Fault):
    """A copy stops where it stands, its connections open, and goes on afterwards."""

    needs = (Pauses,)
    points_at = "instances"

    def plan(self, where: Where, on: Platform) -> Iterable[Step]:
        """One pause a copy."""
        return [on.pause(copy) for copy in where.instances]
