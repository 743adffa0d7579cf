"""Whatever ends the harness in the middle of a fault: no toxic and no process is left."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path

import pytest

from sloproof.effects.incarnation import Incarnation
from sloproof.effects.toxiproxy import Server
from tests.system.running import Bench, soon


def toxics(bench: Bench) -> list[str]:
    """The toxics on all the proxies of the reference system."""
    state = json.loads(bench.system.read_text())
    proxies = Server(state["toxiproxy"]["url"]).ask("GET", "/proxies").body
    return [toxic["name"] for proxy in proxies.values() for toxic in proxy["toxics"]]


def helpers(bench: Bench) -> list[int]:
    """The living processes that carry the tag of a run, or work in the bench's record."""
    runs = [folder.name for folder in (bench.folder / "runs").glob("*")]
    found: list[int] = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "environ").read_bytes() + (folder / "cmdline").read_bytes()
        except OSError:
            continue
        tagged = any(f"sloproof-{run}".encode() in words for run in runs)
        if (tagged or str(bench.folder / "runs").encode() in words) and Incarnation.of(
            int(folder.name)
        ):
            found.append(int(folder.name))
    return found


def started(bench: Bench) -> subprocess.Popen[str]:
    """A run of slow-speech whose toxics are in the world."""
    process = bench.start(bench.quick, "--allow-inconclusive")
    soon(lambda: len(toxics(bench)) == 2, 60, "the fault")
    return process


@pytest.mark.parametrize("group", ["engine", "engine and its helpers"])
def test_a_harness_killed_during_slow_speech_leaves_no_toxic_and_no_process(
    running: Bench, group: str
) -> None:
    process = started(running)
    victims = [process.pid] if group == "engine" else [process.pid, *load_and_prober(running)]
    lives = [Incarnation.of(pid) for pid in victims]
    assert None not in lives
    for life in filter(None, lives):
        life.send(signal.SIGKILL)  # helpers may be gone by now: they die with their engine
    process.communicate()
    soon(lambda: not toxics(running), 10, "the reversal")
    soon(lambda: not helpers(running), 10, "the helpers' end")
    assert not list((running.folder / "state" / "runs").glob("*/journal"))


def load_and_prober(bench: Bench) -> list[int]:
    """The helper processes that work in the record's folder."""
    return [
        pid for pid in helpers(bench) if {"sloproof.run.load", "sloproof.run.prober"} & argv(pid)
    ]


def argv(pid: int) -> set[str]:
    """The words of a process's command line."""
    return set(Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0"))


def test_when_engine_and_guardian_die_together_recover_puts_it_back(running: Bench) -> None:
    process = started(running)
    for pid in helpers(running):
        if "sloproof.run.guardian" in argv(pid):
            life = Incarnation.of(pid)
            assert life is not None
            life.send(signal.SIGKILL)
    process.kill()
    process.communicate()
    assert len(toxics(running)) == 2
    warned = running.sloproof("check", "experiments/slow-speech.yaml")
    assert "recover" in warned.stderr
    assert running.sloproof("recover").returncode == 0
    assert not toxics(running)
    soon(lambda: not helpers(running), 10, "the helpers' end")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_reverts_at_once_and_a_second_one_changes_nothing(
    running: Bench, number: signal.Signals
) -> None:
    process = started(running)
    process.send_signal(number)
    process.send_signal(number)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 3
    assert json.loads(out)["how"] == "interrupted"
    assert not toxics(running)
    assert not helpers(running)


def test_status_and_stop_from_another_terminal(running: Bench) -> None:
    process = started(running)
    seen = json.loads(running.sloproof("status", "--json").stdout)
    assert "slow-speech" in json.dumps(seen)
    assert running.sloproof("stop").returncode == 0
    process.communicate(timeout=60)
    assert process.returncode == 3
    assert not toxics(running)


def test_two_runs_never_share_a_target(running: Bench) -> None:
    process = started(running)
    second = running.run_refused(running.quick)
    assert second.returncode == 4
    assert "two runs never share a target" in second.stderr
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)


@pytest.mark.parametrize("helper", ["sloproof.run.prober", "sloproof.run.load"])
def test_a_run_whose_helper_is_killed_fails_and_reverts(running: Bench, helper: str) -> None:
    process = started(running)
    for pid in load_and_prober(running):
        if helper in argv(pid):
            life = Incarnation.of(pid)
            assert life is not None
            life.send(signal.SIGKILL)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 4
    assert "its process died" in json.loads(out)["reason"]
    assert not toxics(running)
    assert not helpers(running)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_copy_that_went_with_its_system_keeps_no_run_from_beginning(bench: Bench) -> None:
    process = bench.start("backup-restore")
    runs = bench.state / "runs"
    soon(lambda: any('"until"' in note.read_text() for note in runs.glob("*.restored")), 120, "it")
    process.kill()  # the system was started for the run, and dies with it
    process.communicate()
    soon(lambda: not list(runs.glob("*")), 60, "the reversal")
    soon(lambda: not helpers(bench), 10, "the helpers' end")
    assert bench.sloproof("recover").returncode == 0
    ran = bench.run("backup-restore")
    assert ran.status == 0, ran.said
