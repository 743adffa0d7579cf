"""Small parts of the reference system, each without a running one."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digital_human.behaviour import Behaviour, changed
from digital_human.gateway import config, seconds
from digital_human.journal import Journal
from digital_human.ports import LOOPBACK, Ports, bind
from digital_human.processes import Incarnation, incarnation
from digital_human.sessions import find_session, new_session
from digital_human.settings import load
from digital_human.state_file import AlreadyRunning, StateFile
from digital_human.topology import plan
from digital_human.web import BadRequest


@given(st.integers(0, 2**44), st.binary(min_size=8, max_size=8))
def test_a_session_is_found_by_its_id_alone(now_ms: int, chance: bytes) -> None:
    session = new_session(now_ms, chance)
    assert find_session(session.id) == session


@given(st.data())
def test_a_mistyped_session_id_is_noticed(data: st.DataObject) -> None:
    session_id = new_session(1_795_000_000_000, b"8 bytes.").id
    at = data.draw(st.integers(0, len(session_id) - 1))
    other = data.draw(st.sampled_from("0123456789abcdefx-").filter(lambda c: c != session_id[at]))
    assert find_session(session_id[:at] + other + session_id[at + 1 :]) is None


def test_a_reserved_port_refuses_until_its_owner_listens() -> None:
    ports = Ports()
    port = ports.reserve()
    with bind(port) as bound, pytest.raises(ConnectionRefusedError):
        socket.create_connection((LOOPBACK, port), timeout=1)
    assert bound.fileno() == -1
    ports.release()


def test_reserved_ports_differ_and_lie_below_those_of_outgoing_connections() -> None:
    ours, theirs = Ports(), Ports()
    found = [ours.reserve() for _ in range(50)] + [theirs.reserve() for _ in range(50)]
    assert len(set(found)) == 100
    lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert lowest < 20_000 or max(found) < lowest
    ours.release()
    theirs.release()


def test_a_pid_with_another_start_time_is_another_process() -> None:
    me = incarnation(os.getpid())
    assert me is not None
    assert me.alive
    assert not Incarnation(me.pid, me.start_time + 1).alive


def test_an_ended_process_is_not_alive_even_before_it_is_reaped() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        found = incarnation(process.pid)
        assert found is not None
        found.signal(signal.SIGKILL)
        assert found.wait(10)
        assert not found.alive


def test_journal_lines_are_there_before_the_journal_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "lines.jsonl"
    first, second = Journal(path), Journal(path)
    first.write({"n": 1})
    second.write({"n": 2})
    assert [json.loads(line) for line in path.read_text().splitlines()] == [{"n": 1}, {"n": 2}]
    first.close()
    second.close()


def test_a_full_disk_costs_lines_and_nothing_else() -> None:
    journal = Journal(Path("/dev/full"))
    journal.write({"n": 1})
    assert journal.lost == 1
    journal.close()


def test_a_state_file_has_one_owner(state_path: Path) -> None:
    first, second = StateFile(state_path), StateFile(state_path)
    first.acquire()
    with pytest.raises(AlreadyRunning, match=f"process {os.getpid()}"):
        second.acquire()
    first.remove()
    second.acquire()
    second.remove()
    assert not second.traces()


def test_a_state_file_is_for_its_owner_alone(state_path: Path) -> None:
    state = StateFile(state_path)
    state.acquire()
    state.write({"pid": 1})
    assert state.read() == {"pid": 1}
    assert state_path.stat().st_mode & 0o777 == 0o600
    assert state.folder.stat().st_mode & 0o777 == 0o700
    state.remove()


def test_the_topology_joins_every_pair_by_a_link_of_its_own() -> None:
    numbers = iter(range(1, 100))
    topology = plan(lambda: next(numbers))
    assert [link.proxy for link in topology.links] == [
        "gateway-dialogue-1",
        "gateway-dialogue-2",
        "dialogue-1-speech",
        "dialogue-2-speech",
    ]
    ports = [copy.port for copy in topology.copies] + [link.listen for link in topology.links]
    assert len(set(ports)) == len(ports)
    assert topology.from_copy("dialogue-2")[0].upstream == topology.copy("speech-1").port


@pytest.mark.parametrize(
    ("value", "text"), [(1.0, "1s"), (0.25, "0.25s"), (30, "30s"), (0.001, "0.001s"), (100, "100s")]
)
def test_times_for_envoy(value: float, text: str) -> None:
    assert seconds(value) == text


@pytest.mark.parametrize(
    ("switch", "word"),
    [
        ("retry", "num_retries"),
        ("outlier_detection", "consecutive_5xx"),
        ("health_check", "http_health_check"),
    ],
)
def test_a_mechanism_that_is_off_is_not_in_the_gateways_configuration(
    switch: str, word: str
) -> None:
    def text(*overrides: str) -> str:
        settings = load("ci", overrides)
        made = config(
            listen=1, admin=2, endpoints=Path("endpoints.json"), log=Path("log"), settings=settings
        )
        return json.dumps(made)

    assert word in text()
    assert word not in text(f"{switch}=off")


def test_what_speech_does_can_be_changed_in_part() -> None:
    before = Behaviour(failure_rate=0.0, cost_ms=5.0)
    assert changed(before, {"failure_rate": 0.5}) == Behaviour(0.5, 5.0)
    assert changed(before, {}) == before


@pytest.mark.parametrize(
    "wanted",
    [
        {"failure_rate": 1.5},
        {"failure_rate": float("nan")},
        {"failure_rate": True},
        {"status": 200},
        {"status": 503.0},
        {"cost_ms": -1},
        {"cost_ms": "5"},
        {"speed": 1},
    ],
)
def test_a_control_that_makes_no_sense_is_refused(wanted: dict[str, object]) -> None:
    with pytest.raises(BadRequest):
        changed(Behaviour(0.0, 5.0), wanted)
