"""Links that pass a Toxiproxy: delayed, throttled, reset, cut by its toxics."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sloproof.contracts import (
    CutMode,
    CutsLinks,
    DelaysLinks,
    Direction,
    Duration,
    Effect,
    Link,
    ProbeSpec,
    ResetsLinks,
    Sense,
    ThrottlesLinks,
    Throughput,
    Witness,
)
from sloproof.effects.proxy_down import ProxyDown
from sloproof.effects.toxic import Toxic
from sloproof.effects.toxiproxy import Server
from sloproof.effects.witness import witness_to_json
from sloproof.errors import EffectError, PlatformError
from sloproof.model.target import Proxy
from sloproof.platforms.parts.described import Described

OFTEN = Duration(100_000_000)
SELDOM = Duration(500_000_000)
PATIENCE = Duration(1_000_000_000)
MS = 1_000_000


@dataclass(frozen=True, slots=True)
class Passage:
    """The proxy of a link and the address at which it listens."""

    proxy: Proxy
    host: str
    port: int


class Proxied(Described, DelaysLinks, ThrottlesLinks, ResetsLinks, CutsLinks):
    """A target some of whose links pass a Toxiproxy."""

    def delay(self, link: Link, delay: Duration, jitter: Duration, direction: Direction) -> Effect:
        """A latency toxic. It spares the handshake: only bytes are late, not connections.

        Raises `PlatformError` for what no toxic can: it counts in milliseconds.
        """
        for name, each in (("delay", delay), ("jitter", jitter)):
            if each.ns % MS:
                raise PlatformError(
                    f"a Toxiproxy counts whole milliseconds: {name} {each} can't be"
                )
        streams = _streams(direction)
        expected = delay.seconds * len(streams)
        tolerance = max(0.05 * expected, 0.002) + jitter.seconds / 2
        patience = Duration(PATIENCE.ns + (delay.ns + jitter.ns) * 2 * len(streams))
        return self._toxic(
            link,
            "latency",
            {"latency": delay.ns // MS, "jitter": jitter.ns // MS},
            words=f"latency {delay} ± {jitter} {direction}" if jitter.ns else f"latency {delay}",
            streams=streams,
            seen=self._seen(
                link, Sense.DELAY, expected=expected, tolerance=tolerance, patience=patience
            ),
        )

    def throttle(self, link: Link, rate: Throughput, direction: Direction) -> Effect:
        """A bandwidth toxic: whole kilobytes per second of each connection, the nearest.

        Raises `PlatformError` for a rate that is more than a tenth away from that.
        """
        kilobytes = round(rate.bytes_per_second / 1000)
        if abs(kilobytes * 1000 - rate.bytes_per_second) * 10 > rate.bytes_per_second:
            raise PlatformError(f"a Toxiproxy counts whole kilobytes a second: {rate} can't be")
        expected = float(kilobytes * 1000)
        return self._toxic(
            link,
            "bandwidth",
            {"rate": kilobytes},
            words=f"bandwidth {rate}",
            streams=_streams(direction),
            seen=self._seen(
                link,
                Sense.THROUGHPUT,
                expected=expected,
                tolerance=expected * 0.25,
                patience=Duration(10_000_000_000),
            ),
        )

    def reset(self, link: Link, after: Duration) -> Effect:
        """A reset_peer toxic on both streams."""
        return self._toxic(
            link,
            "reset_peer",
            {"timeout": after.ns // MS},
            words="reset connections",
            streams=("upstream", "downstream"),
            seen=self._seen(link, Sense.RESET, patience=PATIENCE + after),
        )

    def cut(self, link: Link, mode: CutMode) -> Effect:
        """`refused` disables the proxy; `blackhole` lets every byte vanish, both ways."""
        passage = self._passage(link)
        if mode is CutMode.REFUSED:
            return ProxyDown(
                server=passage.proxy.server,
                proxy=passage.proxy.name,
                seen_by=self._seen(link, Sense.REFUSED),
            )
        return self._toxic(
            link,
            "timeout",
            {"timeout": 0},
            words="blackhole",
            streams=("upstream", "downstream"),
            seen=self._seen(link, Sense.BLACKHOLE),
        )

    def lacks(self, capability: type) -> str:
        """A link without a proxy can't be touched: that shows when the link is named."""
        return super().lacks(capability)

    def neighbours(self, effect: Effect, struck: Collection[str]) -> Sequence[Witness]:
        """The other links, each over a connection of its own."""
        seen = effect.witness()
        links = zip(self.links(), self.target.links, strict=True)
        if seen is None or effect.concerns() not in {link.name for link in self.links()}:
            return super().neighbours(effect, struck)
        prefix = f"neighbour:{seen.sense}"
        return [
            replace(
                seen,
                probes=(self._probe(link, prefix, False, SELDOM, PATIENCE),),
                of=link.name,
            )
            for link, spec in links
            if spec.proxy and link.name not in struck
        ]

    def _toxic(
        self,
        link: Link,
        kind: str,
        attributes: dict[str, Any],
        *,
        words: str,
        streams: tuple[str, ...],
        seen: dict[str, Any],
    ) -> Effect:
        passage = self._passage(link)
        return Toxic(
            server=passage.proxy.server,
            proxy=passage.proxy.name,
            toxic=kind,
            streams=streams,
            attributes=attributes,
            words=words,
            seen_by=seen,
        )

    def _seen(
        self,
        link: Link,
        sense: Sense,
        *,
        expected: float | None = None,
        tolerance: float | None = None,
        patience: Duration = PATIENCE,
    ) -> dict[str, Any]:
        prefix = f"witness:{sense}"
        # PostgreSQL's question can be asked once a connection: none is kept there.
        ways = (False,) if self._passage(link).proxy.speaks == "postgresql" else (False, True)
        probes = tuple(self._probe(link, prefix, kept, OFTEN, patience) for kept in ways)
        unit = {Sense.DELAY: "s", Sense.THROUGHPUT: "B/s"}.get(sense, "")
        return witness_to_json(
            Witness(sense=sense, probes=probes, expected=expected, unit=unit, tolerance=tolerance)
        )

    def _probe(
        self, link: Link, prefix: str, kept: bool, every: Duration, timeout: Duration
    ) -> ProbeSpec:
        passage = self._passage(link)
        throughput = prefix.endswith(Sense.THROUGHPUT)
        params = {
            "host": passage.host,
            "port": passage.port,
            "path": (passage.proxy.bulk or passage.proxy.check)
            if throughput
            else passage.proxy.check,
            "kept": kept,
            "speaks": passage.proxy.speaks,
        }
        if throughput:
            params["measure"] = "throughput"
        name = f"{prefix}:{link.name}:{'kept' if kept else 'new'}"
        return ProbeSpec(name=name, kind="link", params=params, every=every, timeout=timeout)

    def _passage(self, link: Link) -> Passage:
        for named, spec in zip(self.links(), self.target.links, strict=True):
            if named.name == link.name and spec.proxy is not None:
                return _passage_of(spec.proxy)
        raise PlatformError(
            f"the link {link.source} → {link.target} passes no proxy: nothing can be done to it "
            f"(give it a `proxy:` in {self.target.origin})"
        )


def _passage_of(proxy: Proxy) -> Passage:
    try:
        listen = str(Server(proxy.server).state(proxy.name)["listen"])
    except EffectError as error:
        raise PlatformError(f"can't ask Toxiproxy for {proxy.name}: {error}") from error
    host, _, port = listen.rpartition(":")
    return Passage(proxy, host.strip("[]"), int(port))


def _streams(direction: Direction) -> tuple[str, ...]:
    both = (Direction.UPSTREAM.value, Direction.DOWNSTREAM.value)
    return both if direction is Direction.BOTH else (direction.value,)
