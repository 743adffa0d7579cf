"""A standby that is late."""

from collections.abc import Iterable

from sloproof.contracts import DelaysReplay, Duration, Fault, Platform, Step, Where


class ReplicationLag(Fault):
    """Changes become visible on a store's standby `delay` after they were committed."""

    needs = (DelaysReplay,)
    points_at = "instances"
    role = "standby"

    delay: Duration

    def plan(self, where: Where, on: Platform) -> Iterable[Step]:
        """One delay a standby."""
        return [on.delay_replay(copy, self.delay) for copy in where.instances]
