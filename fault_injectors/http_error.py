"""Errors from a service."""

from collections.abc import Iterable
from fractions import Fraction

from sloproof.contracts import Fault, Platform, Ratio, Step, Switches, Where


class HttpError(Fault):
    """A service answers a share of its requests with an error, by a switch of its own."""

    needs = (Switches,)
    points_at = "instances"

    status: int = 503
    share: Ratio = Ratio(Fraction(1))

    def __post_init__(self) -> None:
        """Raises `ValueError` for what is no error, or a share of nothing."""
        if not 400 <= self.status <= 599:
            raise ValueError(f"status: {self.status} is no error (400 to 599)")
        if not self.share.value:
            raise ValueError("share: 0% is no error at all")

    def plan(self, where: Where, on: Platform) -> Iterable[Step]:
        """One switch a copy."""
        return [on.fail_requests(copy, self.status, self.share) for copy in where.instances]
