"""A share of a link's packets lost by a rule of the host's firewall."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from sloproof.contracts.effect import Effect, Json, Undone
from sloproof.contracts.probe import Witness
from sloproof.effects.incarnation import Incarnation
from sloproof.effects.iptables import Passing, Rules
from sloproof.effects.network_namespace import NamespaceGone, NetworkNamespace
from sloproof.effects.tagged import end, tagged
from sloproof.effects.witness import witness_from_json
from sloproof.model.units import Duration


@dataclass(frozen=True, kw_only=True)
class PacketLoss(Effect):
    """Packets to and from `port` of `host` are dropped, each with the chance `share`.

    `listener` is the incarnation that listens there; the rules stand in its network.
    """

    kind: ClassVar[str] = "packet_loss"
    settle: ClassVar[Duration] = Duration(200_000_000)
    deadline: ClassVar[Duration] = Duration(30_000_000_000)

    link: str
    listener: str
    host: str
    port: int
    share: float
    upstream: bool = True
    downstream: bool = False
    words: str = ""
    seen_by: Json = field(default_factory=dict)

    def _rules(self, prior: Json) -> Rules:
        passing = Passing(self.host, self.port, self.upstream, self.downstream)
        return Rules(NetworkNamespace(prior["network"]), passing, self.owner)

    def capture(self) -> Json:
        """In which network the port is; raises where nobody listens any more."""
        return {"network": NetworkNamespace.of(Incarnation.parse(self.listener)).inode}

    def apply(self, prior: Json) -> None:
        """Add the rules that aren't there yet."""
        chance = ("-m", "statistic", "--mode", "random", "--probability", f"{self.share:.10f}")
        self._rules(prior).add(("DROP",), chance=chance if self.share < 1 else ())

    def interrupt(self) -> None:
        """End a firewall command that is still under way."""
        end(lambda: tagged(self.owner), within=2)

    def undo(self, prior: Json) -> Undone:
        """Remove our own; a network that is gone took its rules along."""
        try:
            return Undone.REVERTED if self._rules(prior).remove() else Undone.ABSENT
        except NamespaceGone:
            return Undone.ABSENT

    def present(self, prior: Json) -> bool:
        """Whether a rule of ours is there."""
        try:
            return self._rules(prior).there()
        except NamespaceGone:
            return False

    def witness(self) -> Witness | None:
        """Packets of the witness's own, each answered or not."""
        return witness_from_json(self.seen_by)

    def concerns(self) -> str:
        """The link."""
        return self.link

    def touches(self) -> str:
        """The port."""
        return f"packets of {self.host}:{self.port}"

    def remedy(self) -> str:
        """How to find the rules and remove them."""
        return (
            f"iptables-save -t mangle | grep {self.owner}, then `iptables -t mangle -D` each, "
            f"in the network of process {Incarnation.parse(self.listener).pid}; ip6tables alike"
        )

    def __str__(self) -> str:
        return self.words or f"packet loss on {self.link}"
