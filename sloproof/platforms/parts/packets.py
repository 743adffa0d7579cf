"""Links whose packets are lost or late: rules about the port at which a link's proxy listens."""

from __future__ import annotations

import os
import shutil
import sys
import zlib
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from urllib.parse import urlsplit

from sloproof.contracts import (
    DelaysPackets,
    Direction,
    DropsPackets,
    Duration,
    Effect,
    Link,
    ProbeSpec,
    Ratio,
    Sense,
    Witness,
)
from sloproof.effects import delayer
from sloproof.effects.finder import Finder, elsewhere
from sloproof.effects.incarnation import Incarnation
from sloproof.effects.packet_delay import PacketDelay
from sloproof.effects.packet_loss import PacketLoss
from sloproof.effects.ruled_packets import RuledPackets
from sloproof.effects.running import run
from sloproof.effects.witness import witness_to_json
from sloproof.errors import EffectError, Lacking, PlatformError
from sloproof.platforms.parts.proxied import PATIENCE, Passage, Proxied

EVERY_LOSS = Duration(10_000_000)
"""A packet a sample: so many are needed until chance tells 5 % from 6 %."""
EVERY_DELAY = Duration(50_000_000)
SELDOM = Duration(100_000_000)
KINDS: Mapping[type, tuple[str, ...]] = {
    DropsPackets: ("-m", "statistic", "--mode", "random", "--probability", "0.5", "-j", "DROP"),
    DelaysPackets: ("-j", "NFQUEUE", "--queue-num", "1024", "--queue-bypass"),
}
"""What the kernel must take for each to be possible."""


class Packets(Proxied, DropsPackets, DelaysPackets):
    """A target on this host, whose firewall can be told what to do with a link's packets."""

    def drop_packets(self, link: Link, share: Ratio, direction: Direction) -> Effect:
        """A rule of the firewall for each way."""
        passage = self._struck(link)
        ways = 2 if direction is Direction.BOTH else 1
        expected = 1 - (1 - float(share)) ** ways
        witness = Witness(
            sense=Sense.LOSS,
            probes=(self._packets(link, "witness:loss", EVERY_LOSS, PATIENCE),),
            expected=expected,
            unit="ratio",
            tolerance=0.05 * expected,
        )
        return PacketLoss(
            link=link.name,
            listener=str(_listener(passage)),
            host=passage.host,
            port=passage.port,
            share=float(share),
            upstream=direction is not Direction.DOWNSTREAM,
            downstream=direction is not Direction.UPSTREAM,
            words=f"lose {share} of packets {direction} on {link.name}",
            seen_by=witness_to_json(witness),
        )

    def delay_packets(
        self, link: Link, delay: Duration, jitter: Duration, direction: Direction
    ) -> Effect:
        """A queue of the firewall and a process that lets packets wait in it."""
        passage = self._struck(link)
        ways = 2 if direction is Direction.BOTH else 1
        expected = delay.seconds * ways
        patience = Duration(PATIENCE.ns + (delay.ns + jitter.ns) * 2 * ways)
        kept = self._probe(link, "witness:packet-delay", True, EVERY_DELAY, patience)
        witness = Witness(
            sense=Sense.DELAY,
            probes=(self._packets(link, "witness:packet-delay", EVERY_DELAY, patience), kept),
            expected=expected,
            unit="s",
            tolerance=max(0.05 * expected, 0.002) + jitter.seconds / 2,
        )
        return PacketDelay(
            link=link.name,
            listener=str(_listener(passage)),
            host=passage.host,
            port=passage.port,
            delay_ns=delay.ns,
            jitter_ns=jitter.ns,
            seed=zlib.crc32(link.name.encode()),
            upstream=direction is not Direction.DOWNSTREAM,
            downstream=direction is not Direction.UPSTREAM,
            words=f"delay packets {delay}{f' ± {jitter}' if jitter.ns else ''} {direction} "
            f"on {link.name}",
            seen_by=witness_to_json(witness),
        )

    def lacks(self, capability: type) -> str:
        """Packet rules are tried in a network made for that alone."""
        said = super().lacks(capability)
        return said or (lacking(capability) if capability in KINDS else "")

    def neighbours(self, effect: Effect, struck: Collection[str]) -> Sequence[Witness]:
        """For packets, packets to the ports of the other links."""
        seen = effect.witness()
        if seen is None or not isinstance(effect, RuledPackets):
            return super().neighbours(effect, struck)
        others = [
            link
            for link, spec in zip(self.links(), self.target.links, strict=True)
            if spec.proxy and link.name not in struck
        ]
        prefix = f"neighbour:packet-{seen.sense}"
        return [
            Witness(seen.sense, (self._packets(link, prefix, SELDOM, PATIENCE),), seen.expected)
            for link in others
        ]

    def _struck(self, link: Link) -> Passage:
        """The passage of a link; refused where the rule would cut what the harness speaks by."""
        passage = self._passage(link)
        if not passage.port:
            raise PlatformError(f"the proxy of {link.name} listens at no port that could be told")
        for spec in self.target.links:
            if spec.proxy and urlsplit(spec.proxy.server).port == passage.port:
                raise PlatformError(
                    f"{link.name} passes port {passage.port}, by which sloproof speaks to the "
                    f"proxy itself: its packets are left alone"
                )
        return passage

    def _packets(self, link: Link, prefix: str, every: Duration, timeout: Duration) -> ProbeSpec:
        passage = self._passage(link)
        host = {"::": "::1", "0.0.0.0": "127.0.0.1", "": "127.0.0.1"}  # noqa: S104 - a wildcard
        params: dict[str, object] = {
            "host": host.get(passage.host, passage.host),
            "port": passage.port,
        }
        return ProbeSpec(f"{prefix}:{link.name}", "packet", params, every, timeout)


def _listener(passage: Passage) -> Incarnation:
    """Who listens there, in this network or in another that its address is reached in."""
    here = Finder(listens=passage.port).find()
    if here is not None:
        return here
    there = [] if passage.host.startswith("127.") else elsewhere(passage.port)
    if there and shutil.which("nsenter") is None:
        raise Lacking(
            f"{passage.host}:{passage.port} is in another network, which `nsenter` would enter: "
            f"`apt install util-linux` helps"
        )
    if len(there) == 1:
        return there[0]
    found = ", ".join(str(life.pid) for life in there) or "none"
    raise PlatformError(
        f"can't tell which process listens at {passage.host}:{passage.port} (found: {found})"
    )


@lru_cache
def lacking(capability: type) -> str:
    """Why this host can't do that to packets, tried where nothing else is; "" if it can."""
    if os.geteuid():
        return "rules about packets need root: run sloproof as root"
    for program, package in (("iptables", "iptables"), ("unshare", "util-linux")):
        if shutil.which(program) is None:
            return f"this host has no {program}: `apt install {package}` helps"
    rule = ("iptables", "-w", "5", "-t", "mangle", "-A", "INPUT", *KINDS[capability])
    tries: list[tuple[str, ...]] = [rule]
    if capability is DelaysPackets:
        tries.append((sys.executable, "-I", "-S", delayer.__file__, "try"))
    for argv in tries:
        try:
            ended = run(("unshare", "--net", *argv), timeout=10)
        except EffectError as error:
            return str(error)
        if ended.status:
            return (
                f"the kernel refuses `{' '.join(argv)}` in a network of its own "
                f"({ended.complaint}): it needs nf_tables or iptables with xt_statistic, "
                f"xt_NFQUEUE and nfnetlink_queue, and the right to make namespaces"
            )
    return ""
