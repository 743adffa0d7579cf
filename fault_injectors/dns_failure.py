"""Names that can't be looked up."""

from collections.abc import Iterable

from sloproof.contracts import FailsNames, Fault, Platform, Step, Where


class DnsFailure(Fault):
    """A copy looks `names` up in vain, every name where none is given; addresses do as before."""

    needs = (FailsNames,)
    points_at = "instances"
    arms = ("resolver",)

    names: tuple[str, ...] = ()

    def plan(self, where: Where, on: Platform) -> Iterable[Step]:
        """One list of names a copy."""
        return [on.fail_names(copy, self.names) for copy in where.instances]
