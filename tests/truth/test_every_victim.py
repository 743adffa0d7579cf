"""Whoever of the crew is killed, stopped or interrupted in whatever phase: nothing is left.

Each case runs the whole crew (engine, guardian, Locust, prober, target, Toxiproxy), waits for a
phase, and strikes a victim at a seeded moment in it. What must hold afterwards is the same for all;
the exit status is what the design gives for that victim.
"""

from __future__ import annotations

import contextlib
import json
import random
import signal
import subprocess
import time
from collections.abc import Collection
from pathlib import Path

import pytest

from sloproof.effects.incarnation import Incarnation
from tests.truth.bench import Bench, Ended, soon
from tests.truth.conftest import SEED

PHASES = ("ready", "warmup", "baseline", "faults", "recovery", "restore")
"""Their lengths are in `loaded.yaml`; a moment is drawn from a phase's first half-second."""
SIGNALS = ("SIGKILL", "SIGTERM", "SIGINT", "SIGSTOP")
VICTIMS = ("engine", "guardian", "both", "load", "prober", "target", "toxiproxy")
BROKE, INTERRUPTED, KILLED = 4, 3, -9
COMPLETED = (0, 1, 3)
MEASURED = ("warmup", "baseline", "faults", "recovery")
"""Who is killed in the first half-second of these can't do its part to their end."""
# Silence is noticed after 3 s by the guardian and 6 s by the engine; then a few seconds of Python.
PATIENCE = 40.0
# Longer than either bears the other's silence.
STILL = 8.0
MODULES = {
    "guardian": "sloproof.run.guardian",
    "load": "sloproof.run.load",
    "prober": "sloproof.run.prober",
}


def statuses(phase: str, victim: str, number: str) -> Collection[int]:
    """What a run may end with; one that was struck when all was done ends as if nothing was."""
    if number == "SIGKILL" and phase in MEASURED and victim in ("load", "prober"):
        return {BROKE}
    if phase in MEASURED and _lacks(victim, number):
        return {BROKE, *COMPLETED} - {0}
    if victim in ("engine", "both"):
        ways = {"SIGKILL": KILLED, "SIGSTOP": KILLED}
        broke = {BROKE} if (victim, number) == ("both", "SIGSTOP") else set()
        done = COMPLETED if number != "SIGKILL" else ()
        return {ways.get(number, INTERRUPTED), *broke, *done}
    if victim == "guardian":
        return {BROKE, *COMPLETED} if number in ("SIGKILL", "SIGSTOP") else set(COMPLETED)
    if number == "SIGINT" and victim in ("load", "prober"):
        return set(COMPLETED)
    return {BROKE, *COMPLETED}


def _lacks(victim: str, number: str) -> bool:
    """Whether something of what a verdict needs is missing from then on: no run of it may pass."""
    if victim in ("load", "prober"):
        return number != "SIGINT"  # a Ctrl-C is the engine's to answer
    if (victim, number) == ("target", "SIGSTOP"):
        return False  # the copies go on without their supervisor
    return victim in ("target", "toxiproxy")


def begun(bench: Bench, phase: str, process: subprocess.Popen[str]) -> bool:
    """Whether the run has come to this phase, or past it."""
    if process.poll() is not None:
        return True
    for record in bench.records:
        with contextlib.suppress(OSError):
            if f'"phase":"{phase}"' in (record / "events.jsonl").read_text():
                return True
    return False


def pids(bench: Bench, process: subprocess.Popen[str], victim: str) -> list[int]:
    """The processes of a victim that live now."""
    if victim == "engine":
        return [process.pid]
    if victim == "both":
        return [*pids(bench, process, "guardian"), process.pid]
    if victim == "target":
        return [bench.found["pid"]] if bench.file.exists() else []
    if victim == "toxiproxy":
        return [bench.found["toxiproxy"]["pid"]] if bench.file.exists() else []
    found = [line.partition(":") for line in bench.processes()]
    return [int(pid) for pid, _, words in found if MODULES[victim] in words]


def strike(bench: Bench, process: subprocess.Popen[str], victim: str, number: str) -> list[int]:
    """Send the signal; gives those that got it."""
    struck = []
    for pid in pids(bench, process, victim):
        life = Incarnation.of(pid)
        if life is not None and life.send(signal.Signals[number]):
            struck.append(pid)
    return struck


def awaken(struck: list[int]) -> None:
    """SIGCONT to whoever still stands still: it must do no harm any more."""
    for pid in struck:
        life = Incarnation.of(pid)
        if life is not None:
            life.send(signal.SIGCONT)


@pytest.mark.timeout(300)
@pytest.mark.sampled(2)
@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("victim", VICTIMS)
@pytest.mark.parametrize("phase", PHASES)
def test_nothing_is_left_and_the_next_run_works(
    bench: Bench, phase: str, victim: str, number: str
) -> None:
    process = bench.begin(*bench.argv("loaded", flag=bench.flag))
    soon(lambda: begun(bench, phase, process), PATIENCE, phase)
    time.sleep(random.Random(f"{SEED}:{phase}:{victim}:{number}").uniform(0, 0.5))
    struck = strike(bench, process, victim, number)
    if (victim, number) == ("both", "SIGSTOP"):  # nobody is left to end anybody: somebody else is
        time.sleep(STILL)
        awaken(struck)
    ended = bench.end(process)
    awaken(struck)
    assert ended.status in statuses(phase, victim, number), ended.words
    if statuses(phase, victim, number) == {BROKE}:
        assert victim in ended.said["reason"], "it says who is gone"
    if victim == "both":
        recovered = bench.sloproof("recover")
        assert recovered.status == 0, recovered.words
    _is_clean(bench, ended)
    again = bench.sloproof(*bench.argv("everything", flag=bench.flag))
    # INCONCLUSIVE where a busy machine took no sample in the tenth of a second that it rests on.
    assert (again.said["how"], again.status in (0, 3)) == ("completed", True), again.words
    assert list((bench.state / "runs").glob("*")) == []


def _is_clean(bench: Bench, ended: Ended) -> None:
    """The target was the run's own, so it is gone with it, and all that was done to it."""
    soon(lambda: not bench.journals, PATIENCE, "the journal's end")
    soon(lambda: not bench.processes(), PATIENCE, "the end of every process")
    assert not bench.flag.exists()
    if ended.status < 0:
        return
    how, outcome = ended.said["how"], ended.said["outcome"]
    assert ended.said["unreverted"] == []
    if how != "completed":
        assert ended.status in (BROKE, INTERRUPTED)
        assert ended.said["reason"], "it says why"
    elif ended.status == INTERRUPTED:
        assert outcome == "INCONCLUSIVE", "what the dead can't show is no PASS"


def test_undisturbed_it_passes(bench: Bench) -> None:
    """What makes the others mean something."""
    ended = bench.sloproof(*bench.argv("loaded", flag=bench.flag))
    assert ended.said["outcome"] == "PASS", ended.words
    _is_clean(bench, ended)
    record = Path(ended.said["record"])
    assert json.loads((record / "seal.json").read_text())
