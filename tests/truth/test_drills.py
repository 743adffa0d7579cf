"""Suites on a real system: it stays up from run to run, and nothing is left whatever ends them."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sloproof.record.suite import SuiteRecord
from tests.truth.bench import EXPERIMENTS, LONGEST, Bench, soon

SUITE = EXPERIMENTS / "suites" / "drill.yaml"
SOON = LONGEST
"""Seconds for anything that a run comes to: the machine may be busy with others."""
REVERTED = 60.0


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    bench.stop()


def begin(bench: Bench, *more: str, patience: str = "300s") -> subprocess.Popen[str]:
    given = {"state": bench.file, "flag": bench.flag, "patience": patience}
    sets = [f"--set={name}={value}" for name, value in given.items()]
    runs = f"--runs={bench.folder / 'runs'}"
    words = ["run", str(SUITE), runs, "--json", "--no-report", "--allow-inconclusive"]
    return bench.begin(*words, *sets, *more)


def running(bench: Bench) -> dict[str, Any]:
    """What the one that runs says of itself; a command that asks would come too late for faults."""
    for file in (bench.state / "runs").glob("*/status.json"):
        with contextlib.suppress(OSError, ValueError):
            return dict(json.loads(file.read_text()))
    return {}


def waits(bench: Bench) -> bool:
    return bool(running(bench).get("waits_for"))


def in_force(bench: Bench, step: str) -> bool:
    said = running(bench)
    return said.get("step") == step and said.get("phase") == "faults"


def nothing_is_left(bench: Bench) -> None:
    """No journal, no process with a tag of a run here, and the system itself is gone."""
    soon(lambda: not bench.journals, REVERTED, "the journal's end")
    soon(lambda: not bench.processes() + systems(bench), REVERTED, "the end of all processes")
    assert list((bench.state / "runs").glob("*")) == []
    assert not bench.flag.exists()


def systems(bench: Bench) -> list[str]:
    """The little systems that write their addresses here."""
    here = str(bench.file).encode()
    found: list[str] = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (folder / "cmdline").read_bytes().split(b"\0")
            found += [folder.name] if here in words else []
    return found


def copies(record: SuiteRecord, run: object) -> dict[str, dict[str, str]]:
    """Which life each copy was in before and after a run."""
    lines = (record.folder / "records" / str(run) / "events.jsonl").read_text().splitlines()
    seen = [event for line in lines if (event := json.loads(line))["kind"] == "target.state"]
    return {
        event["when"]: {copy["name"]: copy["incarnation"] for copy in event["instances"]}
        for event in seen
    }


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_drill_is_confirmed_from_another_process_and_kept_as_evidence(bench: Bench) -> None:
    process = begin(bench)
    soon(lambda: waits(bench), SOON, "the manual step")
    shown = bench.sloproof("status").out
    assert "waits for operator: Look whether everything is well." in shown
    said = bench.sloproof("confirm", "--by", "Ada", "--note", "all is well", "--json")
    assert said.status == 0, said.words
    ended = bench.end(process)
    assert ended.said["outcome"] in ("PASS", "INCONCLUSIVE"), ended.words
    assert ended.said["how"] == "completed", ended.out
    nothing_is_left(bench)
    assert not bench.file.exists()  # the suite started the system, so it also ended it
    record = SuiteRecord(Path(ended.said["record"]))
    assert record.sealed
    assert all(record.seals.values())
    (said_so,) = [each for each in record.events if each.kind == "manual.confirmed"]
    assert (said_so.data["by"], said_so.data["note"]) == ("Ada", "all is well")
    claims = {each["id"]: each["outcome"] for each in ended.said["claims"]}
    assert claims["look/manual"] == "PASS"
    lives = [
        copies(record, step.data["run"]) for step in record.events if step.kind == "step.ended"
    ]
    assert lives[0]["after"]["web-2"] == lives[1]["before"]["web-2"]  # nobody started it anew


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("moment", ["fault", "manual"])
@pytest.mark.parametrize("how", ["SIGINT", "SIGTERM", "stop"])
@pytest.mark.sampled(1)
def test_a_drill_that_is_ended_reverts_and_writes_everything_down(
    bench: Bench, moment: str, how: str
) -> None:
    process = begin(bench)
    ready = (lambda: waits(bench)) if moment == "manual" else lambda: in_force(bench, "everything")
    soon(ready, SOON, moment)
    if how == "stop":
        assert bench.sloproof("stop").status == 0
    else:
        process.send_signal(getattr(signal, how))
    ended = bench.end(process)
    assert ended.status == 3, ended.words
    nothing_is_left(bench)
    record = SuiteRecord(Path(ended.said["record"]))
    assert record.sealed
    assert record.events[-1].data["how"] == "interrupted"
    skipped = {each.data["step"] for each in record.events if each.kind == "step.skipped"}
    assert skipped == ({"again"} if moment == "manual" else {"look", "again"})


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("moment", ["fault", "manual", "gate"])
@pytest.mark.parametrize("how", ["SIGKILL", "SIGSTOP"])
@pytest.mark.sampled(1)
def test_a_drill_that_dies_or_hangs_leaves_nothing(bench: Bench, moment: str, how: str) -> None:
    process = begin(bench)
    ready = {
        "manual": lambda: waits(bench),
        "fault": lambda: in_force(bench, "everything"),
        "gate": lambda: str(running(bench).get("step", "")).startswith("gate"),
    }[moment]
    soon(ready, SOON, moment)
    process.send_signal(getattr(signal, how))
    process.wait(SOON)  # the guardian kills one that hangs
    nothing_is_left(bench)
    (folder,) = bench.records
    assert not SuiteRecord(folder).sealed


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_drill_and_its_guardian_that_die_together_are_recovered(bench: Bench) -> None:
    process = begin(bench)
    soon(lambda: in_force(bench, "everything"), SOON, "a fault")
    (journal,) = bench.journals
    header = [json.loads(line) for line in journal.read_bytes().split(b"\n")[:2]]
    guardian = int(str(header[1]["guardian"]).partition(":")[0])
    os.kill(guardian, signal.SIGKILL)
    process.kill()
    process.wait(SOON)
    recovered = bench.sloproof("recover", "--json")
    assert recovered.status == 0, recovered.words
    nothing_is_left(bench)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_system_that_runs_already_is_used_and_left_running(bench: Bench) -> None:
    bench.start()
    process = begin(bench, patience="1s")
    ended = bench.end(process)
    assert ended.said["how"] == "completed", ended.out
    assert ended.status == 3  # nobody confirmed the manual step
    bench.nothing_is_left(REVERTED)
    assert bench.system is not None
    assert bench.system.poll() is None


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_nobody_else_gets_the_target_while_a_drill_waits_for_people(bench: Bench) -> None:
    process = begin(bench)
    soon(lambda: waits(bench), SOON, "the manual step")
    refused = bench.sloproof(*bench.argv("everything", flag=bench.flag))
    assert refused.status == 4
    assert "is under test by" in refused.out
    process.send_signal(signal.SIGINT)
    bench.end(process)
    nothing_is_left(bench)
