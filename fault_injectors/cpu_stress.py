"""A copy that has to share its processors."""

from collections.abc import Iterable
from fractions import Fraction

from sloproof.contracts import Fault, LoadsCpu, Platform, Ratio, Step, Where


class CpuStress(Fault):
    """`cores` processors are each busy for `load` of the time, within the copy's own CPU quota."""

    needs = (LoadsCpu,)
    points_at = "instances"

    cores: int = 1
    load: Ratio = Ratio(Fraction(9, 10))

    def __post_init__(self) -> None:
        """Refuse what would be no load."""
        if self.cores < 1:
            raise ValueError(f"cores: {self.cores} is not at least 1")
        if not self.load.value:
            raise ValueError("load: 0% is none at all")

    def plan(self, where: Where, on: Platform) -> Iterable[Step]:
        """One stressor a copy."""
        return [on.load_cpu(copy, self.cores, self.load) for copy in where.instances]
