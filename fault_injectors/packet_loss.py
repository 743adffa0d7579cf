"""Packets lost on a link."""

from collections.abc import Iterable

from sloproof.contracts import Direction, DropsPackets, Fault, Platform, Ratio, Step, Where


class PacketLoss(Fault):
    """A share of a link's packets is lost, each by chance. Connections repeat what was lost."""

    needs = (DropsPackets,)

    share: Ratio
    direction: Direction = Direction.DOWNSTREAM

    def __post_init__(self) -> None:
        """Raises `ValueError` for a share of nothing."""
        if not self.share.value:
            raise ValueError("share: 0% loses nothing (try 5%)")

    def plan(self, where: Where, on: Platform) -> Iterable[Step]:
        """One loss a link."""
        return [on.drop_packets(link, self.share, self.direction) for link in where.links]
