"""No more files to open for a copy of a service."""

from collections.abc import Iterable

from sloproof.contracts import ExhaustsFiles, Fault, Platform, Step, Where


class FdExhaustion(Fault):
    """A copy can open only `left` more files and connections; those that are open stay open."""

    needs = (ExhaustsFiles,)
    points_at = "instances"

    left: int = 0

    def __post_init__(self) -> None:
        """Raises `ValueError` for less than nothing."""
        if self.left < 0:
            raise ValueError(f"left: {self.left} is less than none")

    def plan(self, where: Where, on: Platform) -> Iterable[Step]:
        """One limit a copy."""
        return [on.exhaust_files(copy, self.left) for copy in where.instances]
