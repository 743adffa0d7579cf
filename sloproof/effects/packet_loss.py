"""A share of a link's packets lost by a rule of the host's firewall."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from sloproof.contracts.effect import Json, Undone
from sloproof.effects.ruled_packets import RuledPackets


@dataclass(frozen=True, kw_only=True)
class PacketLoss(RuledPackets):
    """Packets to and from `port` of `host` are dropped, each with the chance `share`."""

    kind: ClassVar[str] = "packet_loss"

    share: float

    def apply(self, prior: Json) -> None:
        """Add the rules that aren't there yet."""
        chance = ("-m", "statistic", "--mode", "random", "--probability", f"{self.share:.10f}")
        self.rules(prior).add(("DROP",), chance=chance if self.share < 1 else ())

    def undo(self, prior: Json) -> Undone:
        """Remove our own; a network that is gone took its rules along."""
        return Undone.REVERTED if self.removed(prior) else Undone.ABSENT
