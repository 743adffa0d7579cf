"""A drill on a real database, ended in whatever phase: reverted, sealed, and the next run works.

All tests share one primary and its standby, so each run is the one after another's end.
"""

from __future__ import annotations

import contextlib
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sloproof.errors import UsageError
from sloproof.record.reader import Record
from sloproof.run.control import statuses, stop
from tests.system.drills import DrillBench, drill
from tests.truth.bench import LONGEST, soon

PHASES = (
    *("prepare", "ready", "warmup", "baseline", "faults", "in force"),
    *("recovery", "read-back", "restore", "seal"),
)
"""In the order in which they come; `in force` is when the standby is late."""
NOTICED = 200_000_000
"""So many nanoseconds before a phase's end a wish to end may come too late for it."""
STATUS = {"PASS": 0, "FAIL": 1, "INCONCLUSIVE": 3}
EXPERIMENT = """
  ledger: {name: rows, rate: 50/s}
  faults:
    - {name: lag, inject: replication_lag, where: {store: db}, with: {delay: 1s}, at: 1s, for: 2s}
  verify: [{data_loss: {}}]
"""
LOAD = """
  load: {warmup: 2s, mix: [{profile: idler, share: 100%}], arrivals: [{rate: 5/s}]}
"""
IDLER = """\
from locust import User, task


class Idler(User):
    @task
    def idle(self):
        pass
"""


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DrillBench]:
    folder = tmp_path_factory.mktemp("drill")
    with drill(folder) as made:
        (folder / "load_profiles").mkdir()
        (folder / "load_profiles" / "idler.py").write_text(IDLER)
        bench = DrillBench(folder, drill=made)
        yield bench
        bench.stop()


def begin(bench: DrillBench, phase: str) -> subprocess.Popen[str]:
    """A run that has come to this phase, or is past it."""
    earlier = set(bench.records)
    load = LOAD if phase == "warmup" else ""  # without a load there is no warm-up
    bench.drill.write(EXPERIMENT + load, baseline="1s", recovery="{at_least: 1s, at_most: 2s}")
    process = bench.begin(*bench.argv(), "--allow-inconclusive")

    def begun() -> bool:
        if process.poll() is not None:
            return True
        if set(bench.records) == earlier:
            return False
        if phase == "in force":
            return bench.late()
        return any(event["phase"] == phase for event in bench.events("phase"))

    soon(begun, LONGEST, phase)
    return process


def restoring(record: Record) -> int:
    """When the run began to put everything back, in CLOCK_MONOTONIC nanoseconds."""
    origin = record.events[0].data["monotonic_ns"]
    [began] = [e.t for e in record.of_kind("phase") if e.data["phase"] == "restore"]
    return int(str(origin)) + began


def end(bench: DrillBench, process: subprocess.Popen[str], how: str) -> None:
    if how == "SIGINT":
        process.send_signal(signal.SIGINT)
        return
    # `sloproof stop` asks like this; its start would take longer than some phases.
    soon(lambda: statuses(bench.state) or process.poll() is not None, LONGEST, "its status")
    with contextlib.suppress(UsageError):  # by now it is over
        stop(bench.state)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.sampled(1)
@pytest.mark.parametrize("how", ["SIGINT", "stop"])
@pytest.mark.parametrize("phase", PHASES)
def test_a_drill_ended_in_any_phase_is_reverted_and_sealed(
    bench: DrillBench, phase: str, how: str
) -> None:
    process = begin(bench, phase)
    end(bench, process, how)
    asked_at = time.monotonic_ns()
    ended = bench.end(process)
    said = ended.said
    assert said["unreverted"] == [], ended.words
    record = Record(Path(said["record"]))
    assert record.sealed
    if said["how"] == "completed":  # all had been measured, and was being put back
        assert asked_at > restoring(record) - NOTICED
        assert ended.status == STATUS[said["outcome"]], ended.words
    else:
        asked = {"SIGINT": "SIGINT", "stop": "sloproof stop"}[how]
        assert (said["how"], said["reason"]) == ("interrupted", asked), ended.words
        assert (ended.status, said["outcome"]) == (3, "INCONCLUSIVE"), ended.words
    assert [event.data["how"] for event in record.of_kind("run.finished")] == [said["how"]]
    bench.nothing_is_left(LONGEST)
    bench.next_run_works()
