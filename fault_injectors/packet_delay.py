"""Packets late on a link."""

from collections.abc import Iterable

from sloproof.contracts import DelaysPackets, Direction, Duration, Fault, Platform, Step, Where

LEAST = Duration(1_000_000)


class PacketDelay(Fault):
    """Every packet of a link arrives later, those of handshakes and acknowledgements included."""

    needs = (DelaysPackets,)

    delay: Duration
    jitter: Duration = Duration(0)
    direction: Direction = Direction.DOWNSTREAM

    def __post_init__(self) -> None:
        """Raises `ValueError` for a delay too small to be told, or a jitter beyond it."""
        if self.delay < LEAST:
            raise ValueError(f"delay: {self.delay} can't be told from none (at least {LEAST})")
        if self.jitter > self.delay:
            raise ValueError(f"jitter: {self.jitter} is more than the delay of {self.delay}")

    def plan(self, where: Where, on: Platform) -> Iterable[Step]:
        """One delay a link."""
        how = (self.delay, self.jitter, self.direction)
        return [on.delay_packets(link, *how) for link in where.links]
