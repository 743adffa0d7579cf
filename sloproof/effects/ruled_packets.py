"""What happens to a link's packets by rules of the host's firewall that are our own."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from sloproof.contracts.effect import Effect, Json
from sloproof.contracts.probe import Witness
from sloproof.effects.incarnation import Incarnation
from sloproof.effects.iptables import Passing, Rules
from sloproof.effects.network_namespace import NamespaceGone, NetworkNamespace
from sloproof.effects.tagged import end, tagged
from sloproof.effects.witness import witness_from_json
from sloproof.model.units import Duration


@dataclass(frozen=True, kw_only=True)
class RuledPackets(Effect):
    """Our rules meet the packets to and from `port` of `host`; what they do is a kind's own.

    `listener` is the incarnation that listens there; the rules stand in its network.
    """

    settle: ClassVar[Duration] = Duration(200_000_000)
    deadline: ClassVar[Duration] = Duration(30_000_000_000)

    link: str
    listener: str
    host: str
    port: int
    upstream: bool = True
    downstream: bool = False
    words: str = ""
    seen_by: Json = field(default_factory=dict)

    def rules(self, prior: Json) -> Rules:
        """Ours, in the network that `capture` found."""
        passing = Passing(self.host, self.port, self.upstream, self.downstream)
        return Rules(NetworkNamespace(prior["network"]), passing, self.owner)

    def removed(self, prior: Json) -> bool:
        """Remove our own; False where none were, or where their network took them along."""
        try:
            return self.rules(prior).remove()
        except NamespaceGone:
            return False

    def capture(self) -> Json:
        """In which network the port is; raises where nobody listens any more."""
        return {"network": NetworkNamespace.of(Incarnation.parse(self.listener)).inode}

    def interrupt(self) -> None:
        """End what we run there: a firewall command that is still under way, a helper."""
        end(lambda: tagged(self.owner), within=2)

    def present(self, prior: Json) -> bool:
        """Whether a rule of ours is there."""
        try:
            return self.rules(prior).there()
        except NamespaceGone:
            return False

    def witness(self) -> Witness | None:
        """Packets and requests of the witness's own."""
        return witness_from_json(self.seen_by)

    def concerns(self) -> str:
        """The link."""
        return self.link

    def touches(self) -> str:
        """The port."""
        return f"packets of {self.host}:{self.port}"

    def remedy(self) -> str:
        """How to find the rules and remove them; a rule without its helper lets packets pass."""
        return (
            f"iptables-save -t mangle | grep {self.owner}, then `iptables -t mangle -D` each, "
            f"in the network of process {Incarnation.parse(self.listener).pid}; ip6tables alike"
        )

    def __str__(self) -> str:
        return self.words or f"{self.kind.replace('_', ' ')} on {self.link}"
