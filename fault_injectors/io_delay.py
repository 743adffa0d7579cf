"""A volume that is slow."""

from collections.abc import Iterable

from sloproof.contracts import Duration, Fault, Platform, SlowsVolumes, Step, Where


class IoDelay(Fault):
    """Each read and write on a volume takes `delay` longer; the volume must be armed for it."""

    needs = (SlowsVolumes,)
    points_at = "volumes"
    arms = ("slow-io",)

    delay: Duration

    def __post_init__(self) -> None:
        """Raises `ValueError` for a delay of nothing."""
        if not self.delay.ns:
            raise ValueError(f"delay: {self.delay} is none at all")

    def plan(self, where: Where, on: Platform) -> Iterable[Step]:
        """One delay a volume."""
        return [on.slow_volume(volume, self.delay) for volume in where.volumes]
