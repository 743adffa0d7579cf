"""Starting, stopping and dying: a system leaves nothing behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from digital_human.processes import Incarnation, incarnation, tagged
from digital_human.state_file import StateFile
from tests.digital_human.system import COMMAND, System, eventually, http, run


@pytest.fixture
def one(state_path: Path) -> Iterator[System]:
    system = System(state_path)
    yield system
    system.stop()


def parts(system: System) -> list[Incarnation]:
    found = [Incarnation(p["pid"], p["start_time"]) for p in system.processes().values()]
    assert len(found) == 6
    return [*found, Incarnation(system.state["pid"], system.state["start_time"])]


def test_a_system_is_up_whole_and_down_again(state_path: Path) -> None:
    system = System(state_path)
    processes = parts(system)
    assert all(process.alive for process in processes)
    assert system.turn().content["degraded"] == []
    assert state_path.stat().st_mode & 0o777 == 0o600
    system.stop()
    assert not any(process.alive for process in processes)
    assert not state_path.exists()
    assert list(tagged(StateFile(state_path).folder)) == []


def test_a_second_up_is_refused_and_changes_nothing(one: System) -> None:
    before = one.path.read_text()
    refused = run("up", "--state", str(one.path), "--detach")
    assert refused.returncode == 2
    assert "is running already" in refused.stderr
    assert one.path.read_text() == before
    assert one.turn().status == 200


def test_down_with_nothing_running_says_so(state_path: Path) -> None:
    done = run("down", "--state", str(state_path))
    assert (done.returncode, done.stderr) == (0, "digital human: nothing is running\n")


def test_what_was_restored_is_gone_where_nothing_is_running(state_path: Path) -> None:
    dropped = run("restore", "--drop", "--state", str(state_path))
    assert (dropped.returncode, dropped.stderr) == (0, "")
    restored = run("restore", "--state", str(state_path))
    assert (restored.returncode, restored.stderr) == (1, "digital human: nothing is running\n")


def test_status_tells_running_from_not(one: System, tmp_path: Path) -> None:
    done = run("status", env={"DIGITAL_HUMAN_STATE": str(one.path)})
    assert done.returncode == 0
    assert one.url in done.stdout
    assert "dialogue-1" in done.stdout
    nothing = run("status", "--json", "--state", str(tmp_path / "other.json"))
    assert nothing.returncode == 3
    assert json.loads(nothing.stdout) == {"running": False, "state": None, "processes": {}}


def test_two_systems_run_side_by_side(one: System, tmp_path: Path) -> None:
    other = System(tmp_path / "other.json")
    try:
        assert one.url != other.url
        other.cut("dialogue_1_speech")
        other.cut("dialogue_2_speech")
        assert other.turn().content["degraded"] == ["speech"]
        assert one.turn().content["degraded"] == []
    finally:
        other.stop()
    assert one.turn().content["degraded"] == []


def test_a_setting_that_does_not_exist_is_refused_before_anything_starts(state_path: Path) -> None:
    done = run("up", "--state", str(state_path), "--set", "braker=off")
    assert done.returncode == 2
    assert "did you mean breaker?" in done.stderr
    assert not state_path.parent.joinpath("state.json.lock").exists()


def test_killing_the_supervisor_leaves_no_process_and_down_cleans_up(state_path: Path) -> None:
    system = System(state_path)
    processes = parts(system)
    os.kill(system.state["pid"], signal.SIGKILL)
    assert all(process.wait(10) for process in processes)
    status = run("status", "--state", str(state_path))
    assert status.returncode == 3
    done = run("down", "--state", str(state_path))
    assert done.returncode == 0
    assert "cleaned up after it" in done.stderr
    assert not state_path.exists()


def test_up_starts_again_after_a_supervisor_was_killed(state_path: Path) -> None:
    os.kill(System(state_path).state["pid"], signal.SIGKILL)
    owner = StateFile(state_path)
    eventually(lambda: owner.owner() is None)
    again = System(state_path)
    try:
        assert again.turn().status == 200
    finally:
        again.stop()


def test_down_ends_a_supervisor_that_is_stopped_with_all_it_started(state_path: Path) -> None:
    system = System(state_path)
    processes = parts(system)
    os.kill(system.processes()["dialogue-1"]["pid"], signal.SIGSTOP)
    os.kill(system.state["pid"], signal.SIGSTOP)
    done = run("down", "--state", str(state_path))
    assert done.returncode == 0, done.stderr
    assert not any(process.alive for process in processes)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_in_the_foreground_a_signal_stops_it_cleanly(
    state_path: Path, number: signal.Signals
) -> None:
    with subprocess.Popen([*COMMAND, "up", "--state", str(state_path)]) as supervisor:
        eventually(state_path.exists)
        url = json.loads(state_path.read_text())["gateway"]["url"]
        assert http("GET", f"{url}/health").status == 200
        supervisor.send_signal(number)
        assert supervisor.wait(10) == 0
    assert not state_path.exists()
    assert list(tagged(StateFile(state_path).folder)) == []


def test_a_signal_while_it_starts_stops_it_cleanly(state_path: Path) -> None:
    folder = StateFile(state_path).folder
    with subprocess.Popen([*COMMAND, "up", "--state", str(state_path)]) as supervisor:
        eventually(lambda: folder.exists() and list(tagged(folder)))
        supervisor.send_signal(signal.SIGTERM)
        assert supervisor.wait(10) == 0
    assert list(tagged(folder)) == []
    assert not state_path.exists()


def test_it_ends_when_the_harness_that_started_it_is_killed(state_path: Path) -> None:
    start = [*COMMAND, "up", "--state", str(state_path), "--die-with-parent"]
    harness = "import subprocess, sys; subprocess.Popen(sys.argv[1:]); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", harness, *start], stdin=subprocess.PIPE) as parent:
        eventually(state_path.exists)
        state = json.loads(state_path.read_text())
        supervisor = Incarnation(state["pid"], state["start_time"])
        copies = list(tagged(StateFile(state_path).folder))
        assert len(copies) == 6
        assert supervisor.alive
        parent.kill()
    assert all(process.wait(10) for process in [supervisor, *copies])
    assert not state_path.exists()


def test_a_parent_that_is_not_the_named_one_is_refused(state_path: Path) -> None:
    me = incarnation(os.getpid())
    assert me is not None
    done = run("up", "--state", str(state_path), "--die-with-parent", "1")
    assert done.returncode == 2
    assert f"the parent is process {me.pid}" in done.stderr


def test_a_part_that_can_not_start_is_named_with_its_own_words(state_path: Path) -> None:
    missing = {"TOXIPROXY_SERVER": "/nowhere/toxiproxy-server"}
    done = run("up", "--state", str(state_path), "--detach", env=missing)
    assert done.returncode == 1
    assert "not started: TOXIPROXY_SERVER is '/nowhere/toxiproxy-server'" in done.stderr
    assert not state_path.exists()
    wrong = {"TOXIPROXY_SERVER": "/bin/false"}
    done = run("up", "--state", str(state_path), env=wrong)
    assert done.returncode == 1
    assert "toxiproxy exited with status 1 while starting" in done.stderr
