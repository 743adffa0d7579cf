"""How long a fail-over drill takes from its start to its report, and whether it says the same."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from benchmarks.figure import Bench, Figure, Goal, Result, Row, Table, row
from benchmarks.machine import ROOT
from benchmarks.platform import Platform, platform

EXPERIMENT = """\
apiVersion: sloproof/v1
kind: Experiment
metadata: {name: drill}
spec:
  target: digital-human-drill
  load:
    warmup: 1s
    mix: [{profile: conversation, share: 80%}, {profile: recollection, share: 20%}]
    arrivals: [{rate: 30/s}]
  ledger: {name: notes, rate: 50/s}
  baseline: 3s
  faults: [{name: kill, inject: primary_kill, where: {store: conversations}, at: 4s}]
  recovery: {at_least: 3s, at_most: 30s}
  verify:
    - recovery: store-recovery
    - data_loss: {ledger: notes}
      tolerance: {rpo: 3s}
    - failover: {store: conversations, within: 10s}
"""
SEED = 20261126
FOLLOWS = "select count(*) from pg_stat_replication where state = 'streaming'"
PATIENCE_S = 60
RUN_S = 120


@dataclass(frozen=True, slots=True)
class Drill:
    """One run as its user met it: how long it took, and what came out."""

    seconds: float
    status: int
    verdict: dict[str, Any]

    @property
    def said(self) -> str:
        """The verdict of the run and of each claim, in one line."""
        claims = (f"{claim['id']} {claim['outcome']}" for claim in self.verdict["claims"])
        return "; ".join((str(self.verdict["outcome"]), *claims))

    @property
    def rto_s(self) -> float:
        """The middle of the interval in which the entry was back."""
        [low, high] = self.verdict["measures"]["recoveries"][0]["rto_s"]
        return float((low + high) / 2)


def measure(bench: Bench) -> Result:
    """Drills of one seed, one after the other, on one system whose primary changes each time."""
    count = bench.times(10, 2)
    project = _project(bench.folder / "project")
    drills: list[Drill] = []
    with tempfile.TemporaryDirectory(prefix="failover-drill-", dir="/var/tmp") as data:
        Path(data).chmod(0o711)
        state = bench.folder / "system"
        with platform(state, "drill", f"--data={data}") as system:
            for number in range(count):
                _follows(system)
                bench.say(f"drill {number + 1} of {count}")
                drills.append(_run(project, bench.folder, state / "state.json"))
    said = [drill.said for drill in drills]
    seconds = [drill.seconds for drill in drills]
    same = max(map(said.count, said))
    slowest = Row(
        what="from the start of the process to its end, report written",
        value=max(seconds),
        unit="s",
        statistic="greatest",
        repetitions=count,
        low=min(seconds),
        high=max(seconds),
        goal=Goal(at_most=15),
    )
    agreed = Row(
        what="drills of one seed with the same verdict, claim by claim",
        value=same / count * 100,
        unit="%",
        statistic="share",
        repetitions=count,
        goal=Goal(at_least=100),
    )
    heads = ("verdict, and of each claim", "drills")
    tally = tuple((each, str(said.count(each))) for each in dict.fromkeys(said))
    return Result(
        rows=(
            slowest,
            row("the same, usual", seconds, "s"),
            agreed,
            row("RTO, as measured", [drill.rto_s for drill in drills], "s"),
        ),
        tables=(Table("What they said", heads, tally),),
    )


def _project(folder: Path) -> Path:
    """A project with the repository's targets and objectives; gives the experiment's file."""
    (folder / "experiments").mkdir(parents=True)
    for name in ("slo", "experiments/targets"):
        (folder / name).symlink_to(ROOT / name)
    file = folder / "experiments" / "drill.yaml"
    file.write_text(EXPERIMENT)
    return file


def _follows(system: Platform) -> None:
    """Wait until one store is the primary and the other one follows it."""
    deadline = time.monotonic() + PATIENCE_S
    stores = [system.service(name) for name in ("store_a_1", "store_b_1")]
    while not any(_followers(dsn) for dsn in stores):
        assert time.monotonic() < deadline, "no standby follows the primary"
        time.sleep(0.2)


def _followers(dsn: str) -> int:
    try:
        with psycopg.connect(dsn, connect_timeout=2) as connection:
            found = connection.execute(FOLLOWS).fetchone()
    except psycopg.OperationalError:
        return 0
    return int(found[0]) if found else 0


def _run(file: Path, folder: Path, state: Path) -> Drill:
    argv = [sys.executable, "-m", "sloproof", "run", str(file), "--json", f"--seed={SEED}"]
    argv += [f"--runs={folder / 'runs'}", f"--set=state={state}"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "SLOPROOF_STATE_DIR": str(folder / "own")}
    began = time.monotonic()
    done = subprocess.run(
        argv, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=RUN_S, check=False
    )
    seconds = time.monotonic() - began
    said = json.loads(done.stdout) if done.stdout else {"reason": done.stderr[-800:]}
    assert done.returncode in (0, 1, 3), f"{done.returncode}: {said}"
    record = Path(said["record"])
    assert (record / "report.html").stat().st_size, "there is no report"
    verdict: dict[str, Any] = json.loads((record / "verdict.json").read_text(encoding="utf-8"))
    return Drill(seconds, done.returncode, verdict)


FIGURE = Figure(
    name="failover-drill",
    place=19,
    title="A PostgreSQL fail-over drill",
    goal="from start to report ≤ 15 s; the same seed gives the same verdict",
    method=(
        "The reference system in its profile for drills (two regions, PostgreSQL primary and "
        "standby) stands. `sloproof run` kills its primary under 30 requests/s and 50 writes/s, "
        "judges RTO, RPO and the fail-over, restores what it killed and writes the report; time is "
        "that of its process, from its start to its end. All drills have the same seed, and each "
        "kills what the one before made the primary."
    ),
    measure=measure,
)
