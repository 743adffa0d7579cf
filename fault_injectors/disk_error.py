"""A volume that fails."""

from collections.abc import Iterable

from sloproof.contracts import BreaksVolumes, Fault, Platform, Step, Where


class DiskError(Fault):
    """Every open, read and write on a volume fails with an input/output error (EIO)."""

    needs = (BreaksVolumes,)
    points_at = "volumes"

    def plan(self, where: Where, on: Platform) -> Iterable[Step]:
        """One failure a volume."""
        return [on.break_volume(volume) for volume in where.volumes]
