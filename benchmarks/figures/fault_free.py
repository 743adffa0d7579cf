"""Fault-free runs of enough samples: how often they are not PASS, and how often wrongly PASS."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np

from benchmarks.figure import Bench, Figure, Goal, Result, Row
from benchmarks.projects import AVAILABILITY, loaded
from sloproof.contracts import Outcome
from sloproof.judge import judge
from sloproof.record.reader import Record
from sloproof.record.schema import RequestKind, RequestOutcome
from sloproof.record.writer import RecordWriter
from sloproof.spec import Loaded

REQUESTS = 20_000
TARGET = 0.999
ALLOWANCE = 1 - TARGET
MS = 1_000_000
END = REQUESTS * 5 * MS
SEED = 20261125


def measure(bench: Bench) -> Result:
    """Whole records, judged by the whole judge; failures are independent of each other."""
    runs = bench.times(2000, 1000)
    spec = "  verify: [{slo: availability}]\n"
    asked = loaded(bench.folder / "project", spec, AVAILABILITY.format(target=TARGET))
    rows = []
    for share, what, wrong, goal in (
        (0.1, "not PASS though failures are a tenth of the allowance", False, Goal(at_most=2)),
        (1.0, "PASS though failures are exactly the allowance", True, Goal(at_most=5)),
    ):
        bench.say(f"{runs:,} runs whose failures are {share:g} of the allowance")
        chance = np.random.default_rng(SEED)
        passed = [_passed(bench.folder / "r", asked, chance, share) for _ in range(runs)]
        bad = sum(one is wrong for one in passed)
        rows.append(
            Row(
                what=what,
                value=bad / runs * 100,
                unit="%",
                statistic=f"{bad:,} runs",
                repetitions=runs,
                goal=goal,
            )
        )
    return Result(
        rows=tuple(rows),
        notes=("The second goal is the confidence of a general claim, 95 %.",),
    )


def _passed(folder: Path, asked: Loaded, chance: np.random.Generator, share: float) -> bool:
    record = _record(folder, chance, share * ALLOWANCE)
    verdict = judge(record, loaded=asked)
    shutil.rmtree(folder)
    return verdict.outcome is Outcome.PASS


def _record(folder: Path, chance: np.random.Generator, failing: float) -> Record:
    number = np.arange(REQUESTS)
    due = number * 5 * MS
    bad = chance.random(REQUESTS) < failing
    outcome = np.where(bad, RequestOutcome.ERROR, RequestOutcome.OK).astype(np.uint8)
    batch = {
        "intended": due,
        "sent": due + 500_000,
        "finished": due + chance.integers(5 * MS, 50 * MS, REQUESTS),
        "arrival": number.astype(np.uint32),
        "kind": np.zeros(REQUESTS, dtype=np.uint16),
        "outcome": outcome,
        "late": np.zeros(REQUESTS, dtype=np.uint8),
        "status": np.where(bad, 503, 200).astype(np.int16),
        "error": np.zeros(REQUESTS, dtype=np.uint16),
        "size": np.full(REQUESTS, 500, dtype=np.uint32),
    }
    writer = RecordWriter(folder)
    writer.event(0, "run.started", run="bench", experiment="bench", monotonic_ns=0)
    writer.event(0, "load.started", at=0)
    writer.event(0, "phase", phase="baseline")
    writer.requests([batch], [RequestKind("p", "/", "GET", "/")], [""])
    writer.event(END, "phase", phase="restore")
    writer.event(END, "load.finished", planned=REQUESTS, bound_ns=20 * MS, exit=0)
    writer.event(END, "run.finished", how="completed", reason="")
    writer.seal()
    return Record(folder)


FIGURE = Figure(
    name="fault-free",
    place=13,
    title="Fault-free runs that are not PASS",
    goal="≤ 2 % where true failures are a tenth of the allowance",
    method=(
        f"Simulated records of {REQUESTS:,} requests against an objective of {TARGET:.1%}, judged "
        "as general claims at 95 % confidence, which is what a run without faults makes."
    ),
    measure=measure,
)
