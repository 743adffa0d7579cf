"""More arrivals than planned."""

from collections.abc import Iterable

from sloproof.contracts import Fault, LoadChange, Platform, Step, Where


class LoadSpike(Fault):
    """Arrivals are multiplied by `factor` while it lasts."""

    points_at = "load"

    factor: float = 3.0

    def __post_init__(self) -> None:
        """Raises `ValueError` for a factor that brings no more than was planned."""
        if self.factor <= 1:
            raise ValueError(f"factor: {self.factor:g} brings no more arrivals than planned")

    def plan(self, where: Where, on: Platform) -> Iterable[Step]:
        """One change of the load."""
        return [LoadChange(factor=self.factor)]
