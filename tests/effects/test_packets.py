"""Packets lost and late by the host's firewall, in networks that the tests make for themselves."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from sloproof.contracts import Owner, Undone
from sloproof.effects import effect_to_json
from sloproof.effects.finder import elsewhere
from sloproof.effects.incarnation import Incarnation
from sloproof.effects.iptables import IPV6
from sloproof.effects.packet_delay import PacketDelay
from sloproof.effects.packet_loss import PacketLoss
from sloproof.effects.tagged import tagged
from sloproof.errors import EffectError
from sloproof.testing import check_effect
from tests.effects.conftest import wait_for
from tests.network import Network, joined, network

MS = 1_000_000
LOCAL = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Echo:
    """A server in a network of its own, and who this test is as an owner there."""

    network: Network
    life: Incarnation
    port: int
    host: str = LOCAL

    @property
    def mine(self) -> Owner:
        return Owner(f"packets-{os.getpid()}-{self.port}", 1)

    def loss(self, share: float = 1.0, **fields: Any) -> PacketLoss:
        return PacketLoss(
            link="link", listener=str(self.life), host=self.host, port=self.port, share=share,
            **fields,
        ).bound(self.mine)  # fmt: skip

    def delay(self, delay_ms: int = 30, **fields: Any) -> PacketDelay:
        return PacketDelay(
            link="link", listener=str(self.life), host=self.host, port=self.port,
            delay_ns=delay_ms * MS, **fields,
        ).bound(self.mine)  # fmt: skip

    @contextmanager
    def client(self) -> Iterator[socket.socket]:
        with self.network.inside():
            made = socket.create_connection((self.host, self.port), 20)
        with made:
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            yield made


@pytest.fixture
def echo() -> Iterator[Echo]:
    with network() as net, net.echo() as (life, port):
        yield Echo(net, life, port)


@contextmanager
def in_force(effect: PacketLoss | PacketDelay) -> Iterator[dict[str, Any]]:
    prior = effect.capture()
    try:
        effect.apply(prior)
        yield prior
    finally:
        effect.undo(prior)


def round_trip(client: socket.socket) -> float:
    began = time.perf_counter()
    client.sendall(b"x")
    assert client.recv(1) == b"x"
    return time.perf_counter() - began


WAYS = [
    pytest.param({"upstream": True, "downstream": False}, id="upstream"),
    pytest.param({"upstream": False, "downstream": True}, id="downstream"),
    pytest.param({"upstream": True, "downstream": True}, id="both"),
]


def test_lost_packets_keep_the_laws(echo: Echo) -> None:
    check_effect(echo.loss(0.1, downstream=True))
    assert echo.network.rules() == []


def test_late_packets_keep_the_laws(echo: Echo) -> None:
    check_effect(echo.delay(jitter_ns=MS, downstream=True))
    assert echo.network.rules() == []


@pytest.mark.parametrize("host", ["::1", "::"])
def test_rules_of_ipv6_come_and_go(host: str) -> None:
    if not IPV6.exists():
        pytest.skip("this host has no IPv6")
    with network() as net, net.echo("::1") as (life, port):
        with in_force(Echo(net, life, port, host).loss(downstream=True)):
            assert net.rules("ip6tables")
            assert bool(net.rules()) == (host == "::"), "a wildcard is met by both"
            with pytest.raises(TimeoutError), net.inside():
                socket.create_connection(("::1", port), 0.3)
        assert net.rules("ip6tables") == net.rules() == []


@pytest.mark.parametrize("ways", WAYS)
def test_each_way_adds_its_delay(echo: Echo, ways: dict[str, bool]) -> None:
    with echo.client() as client, in_force(echo.delay(**ways)):
        took = min(round_trip(client) for _ in range(15))  # others are late for want of a processor
    assert sum(ways.values()) * 0.03 <= took <= sum(ways.values()) * 0.03 + 0.015


def test_a_handshake_is_late_too(echo: Echo) -> None:
    with in_force(echo.delay(downstream=True)):
        began = time.perf_counter()
        with echo.client():
            took = time.perf_counter() - began
    assert took >= 0.06


def test_everything_lost_is_silence_that_ends_with_the_fault(echo: Echo) -> None:
    with echo.client() as client:
        with in_force(echo.loss()):
            client.sendall(b"x")
            client.settimeout(0.5)
            with pytest.raises(TimeoutError):
                client.recv(1)
        client.settimeout(20)
        assert client.recv(1) == b"x"


@pytest.mark.parametrize("ways", WAYS)
def test_packets_from_and_to_another_network_are_met_once_each_way(ways: dict[str, bool]) -> None:
    if shutil.which("ip") is None:
        pytest.skip("two networks are joined by `ip`: `apt install iproute2` helps")
    with network() as here, network() as there:
        _, address = joined(here, there)
        with there.echo(address) as (life, port):
            far = Echo(here, life, port, address)
            assert elsewhere(port) == [life]
            with far.client() as client, in_force(far.delay(**ways)):
                took = min(round_trip(client) for _ in range(15))
            assert sum(ways.values()) * 0.03 <= took <= sum(ways.values()) * 0.03 + 0.015
            with in_force(far.loss(**ways)), pytest.raises(TimeoutError), here.inside():
                socket.create_connection((address, port), 0.3)
        assert here.rules() == there.rules() == []


FOREIGN = (
    ("INPUT", "-p", "tcp", "--dport", "PORT", "-j", "ACCEPT"),
    ("INPUT", "-p", "tcp", "--dport", "PORT", "-m", "comment", "--comment", "OWNER1", "-j", "DROP"),
    ("OUTPUT", "-p", "tcp", "-m", "comment", "--comment", "sloproof-other-1", "-j", "ACCEPT"),
)


@pytest.mark.parametrize("kind", ["loss", "delay"])
def test_rules_of_others_stay_as_they_are(echo: Echo, kind: str) -> None:
    words = {"PORT": str(echo.port), "OWNER1": f"{echo.mine}1"}
    for rule in FOREIGN:
        echo.network.run(
            "iptables", "-t", "mangle", "-A", *(words.get(word, word) for word in rule)
        )
    before = echo.network.rules()
    effect = getattr(echo, kind)()
    with in_force(effect):
        assert len(echo.network.rules()) == len(before) + 1
    assert echo.network.rules() == before


def test_a_rule_that_stands_there_twice_is_removed_twice(echo: Echo) -> None:
    effect = echo.loss()
    prior = effect.capture()
    effect.apply(prior)
    [rule] = echo.network.rules()
    echo.network.run("iptables", "-t", "mangle", *rule.replace('"', "").split())
    assert len(echo.network.rules()) == 2
    assert effect.undo(prior) is Undone.REVERTED
    assert echo.network.rules() == []


def test_loss_and_delay_of_one_port_both_hold(echo: Echo) -> None:
    """A packet that has waited in a queue isn't shown to later rules: losses have to come first."""
    for first, second in ((echo.loss(0.5), echo.delay()), (echo.delay(), echo.loss(0.5))):
        with in_force(first.bound(Owner("a", 1))), in_force(second.bound(Owner("a", 2))):
            assert echo.network.rules()[0].endswith("DROP")


def test_packets_that_wait_for_somebody_else_are_not_delayed_again(echo: Echo) -> None:
    with (
        in_force(echo.delay()),
        pytest.raises(EffectError, match="wait already"),
    ):
        echo.delay().bound(Owner("another", 1)).capture()


def test_a_queue_that_is_taken_is_not_taken_away(echo: Echo) -> None:
    effect = echo.delay()
    prior = effect.capture()
    with in_force(effect):
        other = echo.delay().bound(Owner("another", 1))
        with pytest.raises(EffectError, match="no queue for packets"):
            other.apply(prior)
        assert list(tagged(other.owner)) == []


def test_packets_pass_when_the_delayer_dies(echo: Echo) -> None:
    with echo.client() as client, in_force(echo.delay(200)):
        assert round_trip(client) >= 0.2
        for life in tagged(echo.mine):
            life.send(signal.SIGKILL)
        wait_for(lambda: not list(tagged(echo.mine)))
        assert min(round_trip(client) for _ in range(3)) < 0.1


def test_what_waits_is_let_go_and_not_lost_when_the_fault_ends(echo: Echo) -> None:
    with echo.client() as client:
        with in_force(echo.delay(5_000)):
            client.sendall(b"x")
            assert echo.network.rules()
        began = time.perf_counter()
        client.settimeout(3)
        assert client.recv(1) == b"x"
        assert time.perf_counter() - began < 3


PROMPT = """
import os, time
from sloproof.effects import delayer
delayer.be_prompt()
print(os.sched_getscheduler(0) == os.SCHED_RR)
until = time.monotonic() + 10
while os.sched_getscheduler(0) == os.SCHED_RR and time.monotonic() < until:
    pass
print(os.sched_getscheduler(0) == os.SCHED_RR)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can go before other processes")
def test_a_delayer_is_prompt_until_it_would_let_nobody_else_run() -> None:
    done = subprocess.run([sys.executable, "-c", PROMPT], capture_output=True, check=True)
    assert done.stdout.split() == [b"True", b"False"]


APPLY = """
import json, sys, time
from sloproof.effects import effect_from_json
effect = effect_from_json(json.loads(sys.argv[1]))
effect.apply(effect.capture())
print("applied", flush=True)
time.sleep(60)
"""


def test_the_delayer_ends_with_whoever_started_it(echo: Echo) -> None:
    effect = echo.delay()
    prior = effect.capture()
    argv = [sys.executable, "-c", APPLY, json.dumps(effect_to_json(effect))]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as engine:
        assert engine.stdout is not None
        assert engine.stdout.readline() == b"applied\n"
        assert len(list(tagged(effect.owner))) == 1
        engine.kill()
    wait_for(lambda: not list(tagged(effect.owner)))
    with echo.client() as client:
        assert min(round_trip(client) for _ in range(3)) < 0.02
    assert effect.present(prior), "its rule is still there"
    assert effect.undo(prior) is Undone.REVERTED
    assert echo.network.rules() == []


def test_rules_are_gone_with_their_network() -> None:
    with network() as net, net.echo() as (life, port):
        effect = Echo(net, life, port).delay()
        prior = effect.capture()
        effect.apply(prior)
        for each in tagged(effect.owner):
            each.send(signal.SIGKILL)
    wait_for(lambda: not list(tagged(effect.owner)))
    wait_for(lambda: not life.alive())
    assert effect.undo(prior) is Undone.ABSENT
    assert not effect.present(prior)


def test_rules_outlive_who_listened_and_are_removed_all_the_same() -> None:
    with network() as net:
        with net.echo() as (life, port):
            effect = Echo(net, life, port).loss()
            prior = effect.capture()
            effect.apply(prior)
        assert effect.undo(prior) is Undone.REVERTED
        assert net.rules() == []
        with pytest.raises(EffectError, match=r"can't tell the network|is gone"):
            effect.capture()
