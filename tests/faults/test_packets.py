"""Faults of packets on a system in a network of its own, as the local platform plans them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sloproof.contracts import DelaysPackets, Direction, DropsPackets, Effect, Link, Ratio, Where
from sloproof.errors import PlatformError
from sloproof.extensions import Extensions
from sloproof.model.target import Proxy, TargetLink
from sloproof.model.units import Duration
from sloproof.platforms.external import External
from sloproof.platforms.local import Local
from sloproof.platforms.parts.packets import lacking
from sloproof.spec import load_experiment
from sloproof.testing import check_fault
from tests.network import Network, network
from tests.truth.bench import EXPERIMENTS, Bench

FAULTS: Mapping[str, Any] = Extensions.of(Path(__file__).parents[2]).faults


@pytest.fixture(scope="module")
def net() -> Iterator[Network]:
    with network() as made:
        yield made


@pytest.fixture(scope="module")
def platform(net: Network, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Local]:
    """The platform of a little system that runs, and is asked, in that network."""
    bench = Bench(tmp_path_factory.mktemp("little"), prefix=net.prefix)
    with net.inside():
        bench.start()
        try:
            variables = {"state": str(bench.file), "flag": str(bench.flag)}
            loaded = load_experiment(EXPERIMENTS / "packets.yaml", variables=variables)
            yield Local(loaded.running(bench.found).target, run="test", work=bench.folder)
        finally:
            bench.stop()


@pytest.mark.parametrize(
    ("kind", "fields", "words", "expected"),
    [
        ("packet_loss", {"share": "5%"}, "lose 5% of packets downstream", 0.05),
        ("packet_loss", {"share": "50%", "direction": "both"}, "lose 50% of packets both", 0.75),
        ("packet_delay", {"delay": "80ms"}, "delay packets 80ms downstream", 0.08),
        (
            "packet_delay",
            {"delay": "80ms", "jitter": "10ms", "direction": "both"},
            "delay packets 80ms ± 10ms both",
            0.16,
        ),
    ],
)
def test_a_fault_of_packets_keeps_the_laws(
    platform: Local, kind: str, fields: dict[str, str], words: str, expected: float
) -> None:
    fault = FAULTS[kind](**typed(fields))
    where = Where(links=(platform.links()[0],))
    check_fault(fault, where, platform)
    [effect] = fault.plan(where, platform)
    assert isinstance(effect, Effect)
    assert str(effect) == f"{words} on entry-web-1"
    seen = effect.witness()
    assert seen is not None
    assert seen.expected == pytest.approx(expected)
    beside = platform.neighbours(effect, where.names)
    assert [one.probes[0].name.rpartition(":")[2] for one in beside] == ["entry-web-2"]


def typed(fields: Mapping[str, str]) -> dict[str, object]:
    kinds: dict[str, Any] = {"share": Ratio.parse, "direction": Direction}
    return {name: kinds.get(name, Duration.parse)(value) for name, value in fields.items()}


def test_the_way_to_the_proxy_itself_is_never_cut(platform: Local) -> None:
    server = platform.target.links[0].proxy
    assert server is not None
    name = next(iter(platform.links())).name
    api = int(server.server.rpartition(":")[2])
    first, *others = platform.target.links
    own = replace(first, proxy=Proxy(server=f"http://127.0.0.1:{port_of(platform)}", name=name))
    target = replace(platform.target, links=(first, own, *others))
    confused = Local(target, run="test", work=platform.work)
    assert api != port_of(platform)
    with pytest.raises(PlatformError, match="by which sloproof speaks to the proxy itself"):
        confused.drop_packets(confused.links()[0], Ratio.parse("5%"), Direction.BOTH)


def port_of(platform: Local) -> int:
    return platform._passage(platform.links()[0]).port


@pytest.mark.parametrize(
    ("missing", "user", "reason"),
    [
        ("", 1000, "rules about packets need root"),
        ("iptables", 0, "this host has no iptables: `apt install iptables` helps"),
        ("unshare", 0, "this host has no unshare: `apt install util-linux` helps"),
        ("nothing", 0, "the kernel refuses `iptables"),
    ],
)
def test_what_a_host_lacks_is_said_with_what_would_help(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, missing: str, user: int, reason: str
) -> None:
    """A host is what it can run: one whose firewall refuses everything has a kernel without it."""
    for name in {"iptables", "unshare"} - {missing}:
        (tmp_path / name).write_text("#!/bin/false\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(os, "geteuid", lambda: user)
    for capability in (DropsPackets, DelaysPackets):
        assert lacking.__wrapped__(capability).startswith(reason)


def test_a_link_without_a_proxy_is_refused(platform: Local) -> None:
    bare = TargetLink(source="web", to="web")
    target = replace(platform.target, links=(bare,))
    local = Local(target, run="test", work=platform.work)
    with pytest.raises(PlatformError, match="passes no proxy"):
        local.drop_packets(Link("web-web", "web", "web"), Ratio.parse("5%"), Direction.BOTH)


def test_a_system_elsewhere_has_no_packets_to_touch(platform: Local) -> None:
    external = External(platform.target, run="test", work=platform.work)
    for capability in (DropsPackets, DelaysPackets):
        assert "use `platform: local`" in external.lacks(capability)
