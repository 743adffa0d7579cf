"""A volume with little room left."""

from collections.abc import Iterable

from sloproof.contracts import (
    Duration,
    Fault,
    FillsVolumes,
    Platform,
    Ratio,
    Repeat,
    Size,
    Step,
    Where,
)

AGAIN = Duration(100_000_000)


class DiskFill(Fault):
    """A volume is filled until `used` of it is in use or `free` is left. `hold` keeps it there."""

    needs = (FillsVolumes,)
    points_at = "volumes"

    used: Ratio | None = None
    free: Size | None = None
    hold: bool = False

    def __post_init__(self) -> None:
        if (self.used is None) == (self.free is None):
            raise ValueError("needs exactly one of used and free")

    def plan(self, where: Where, on: Platform) -> Iterable[Step]:
        """One file a volume, or one whose size follows what the system writes and frees."""
        fills = [on.fill(volume, self.used, self.free, self.hold) for volume in where.volumes]
        return [Repeat(fill, AGAIN) for fill in fills] if self.hold else fills
