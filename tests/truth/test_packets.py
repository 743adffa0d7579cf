"""Whole runs in a network of the test's own, its packets late and lost; and deaths in them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.network import Network, network
from tests.truth.bench import Bench, Ended, soon

DEEDS = ("capture", "intended", "apply", "applied", "undo", "undone")
STEPS = [
    f"{kind}:{deed}:{moment}"
    for kind in ("packet_delay", "packet_loss")
    for deed in DEEDS
    for moment in ("before", "after")
]
REVERTED = 30.0
"""Seconds: some dozen commands are run on a machine that may be busy."""
DROPPED = "INPUT -p udp -m udp --dport 9 -m comment --comment sloproof-of-others-1 -j DROP"


@pytest.fixture(scope="module")
def net() -> Iterator[Network]:
    with network() as made:
        yield made


@pytest.fixture(scope="module")
def little(net: Network, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """The system, runs, and whoever asks for what is left: all of them in that network."""
    bench = Bench(tmp_path_factory.mktemp("little"), prefix=net.prefix)
    with net.inside():
        bench.start()
        net.run("iptables", "-t", "mangle", "-A", *DROPPED.split())
        yield bench
        bench.stop()


def nothing_is_left(little: Bench, net: Network) -> None:
    little.nothing_is_left(REVERTED)
    assert net.rules() == [f"-A {DROPPED}"], "ours are gone, and those of others are not"


def faults_of(ended: Ended) -> dict[str, dict[str, Any]]:
    verdict = json.loads((Path(ended.said["record"]) / "verdict.json").read_text())
    return {fault["name"]: fault for fault in verdict["measures"]["faults"]}


@pytest.mark.sampled(0)  # in short form experiments/resource-shortage.yaml shows it
def test_what_happens_to_packets_is_witnessed_and_met(little: Bench, net: Network) -> None:
    ended = little.sloproof(*little.argv("packets", flag=little.flag))
    assert ended.status in (0, 1, 3), ended.words
    faults = faults_of(ended)
    for fault in (faults["late"], faults["lossy"]):
        assert fault["witnessed"], fault["witness_reason"]
        assert fault["exposure"] > 0, fault["exposure_reason"]
        assert fault["neighbours"] == "unaffected"
        assert fault["ended_s"] is not None
    assert faults["late"]["measured"] == pytest.approx(0.08, abs=0.004)
    assert faults["late"]["kept_connections"] == "affected"
    assert faults["lossy"]["measured"] == pytest.approx(0.2, abs=0.1)
    nothing_is_left(little, net)


@pytest.mark.sampled(1)
@pytest.mark.parametrize("fault", ["packet_delay", "packet_loss"])
def test_an_engine_killed_amid_a_fault_leaves_no_rule(
    little: Bench, net: Network, fault: str
) -> None:
    run = little.begin(*little.argv("packets", flag=little.flag))
    words = {"packet_delay": "NFQUEUE", "packet_loss": "statistic"}[fault]
    soon(lambda: words in " ".join(net.rules()), 60, fault)
    run.kill()
    little.end(run)
    nothing_is_left(little, net)


@pytest.mark.sampled(1)
@pytest.mark.parametrize("step", STEPS)
def test_an_engine_that_dies_at_a_step_leaves_nothing(
    little: Bench, net: Network, tmp_path: Path, step: str
) -> None:
    ended = little.struck(tmp_path / "reached", step, "SIGKILL", of="packets")
    assert ended.status == -9
    nothing_is_left(little, net)


@pytest.mark.sampled(1)
@pytest.mark.parametrize("step", STEPS)
def test_what_engine_and_guardian_leave_recover_removes(
    little: Bench, net: Network, tmp_path: Path, step: str
) -> None:
    ended = little.struck(tmp_path / "reached", step, "SIGKILL", "both", of="packets")
    assert ended.status == -9
    soon(lambda: not little.processes(), REVERTED, "the helpers' end")
    recovered = little.sloproof("recover")
    assert recovered.status == 0, recovered.words
    nothing_is_left(little, net)
