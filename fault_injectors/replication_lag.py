"""A standby that is late."""

from collections.abc import Iterable

from sloproof.contracts import DelaysReplay, Duration, Fault, Platform, Step, Where


class ReplicationLag(Fault):
    """Changes become visible on a store's standby `delay` after they were committed."""

    needs = (DelaysReplay,)
    points_at = "instances"
    role = "standby"

    delay: Duration

    def __post_init__(self) -> None:
        """Raises `ValueError` for a delay of nothing."""
        if not self.delay.ns:
            raise ValueError(f"delay: {self.delay} is none at all")

    def plan(self, where: Where, on: Platform) -> Iterable[Step]:
        """One delay a standby."""
        return [on.delay_replay(copy, self.delay) for copy in where.instances]
