"""A wrong clock."""

from collections.abc import Iterable

from sloproof.contracts import Duration, Fault, Platform, SkewsClocks, Step, Where


class ClockSkew(Fault):
    """A copy's wall clock is `ahead` or `behind`; its time goes on at the right pace."""

    needs = (SkewsClocks,)
    points_at = "instances"
    arms = ("clock",)

    ahead: Duration = Duration(0)
    behind: Duration = Duration(0)

    def __post_init__(self) -> None:
        """Refuse both, and neither."""
        if bool(self.ahead.ns) == bool(self.behind.ns):
            raise ValueError("give either `ahead` or `behind`")

    def plan(self, where: Where, on: Platform) -> Iterable[Step]:
        """One offset a copy."""
        return [on.skew_clock(copy, self.ahead, self.behind) for copy in where.instances]
