"""A store without free connections."""

from collections.abc import Iterable

from sloproof.contracts import Fault, FillsConnections, Platform, Step, Where


class ConnectionExhaustion(Fault):
    """Ordinary clients of a store's copy can open at most `left` more connections."""

    needs = (FillsConnections,)
    points_at = "instances"

    left: int = 0

    def __post_init__(self) -> None:
        """Raises `ValueError` for less than none."""
        if self.left < 0:
            raise ValueError(f"left: {self.left} is less than none")

    def plan(self, where: Where, on: Platform) -> Iterable[Step]:
        """One holder a copy."""
        return [on.fill_connections(copy, self.left) for copy in where.instances]
