"""A copy that is short of memory."""

from collections.abc import Iterable

from sloproof.contracts import Fault, Platform, PressesMemory, Size, Step, Where


class MemoryPressure(Fault):
    """`size` of memory is held, touched and resident, within the copy's own memory limit."""

    needs = (PressesMemory,)
    points_at = "instances"

    size: Size

    def __post_init__(self) -> None:
        """Refuse what would be no pressure."""
        if self.size.bytes < 1:
            raise ValueError("size: 0B is none at all")

    def plan(self, where: Where, on: Platform) -> Iterable[Step]:
        """One stressor a copy."""
        return [on.press_memory(copy, self.size) for copy in where.instances]
