"""How long a fail-over drill takes from its start to its report, and whether it says the same."""

from __future__ import annotations

import time
from pathlib import Path

import psycopg

from benchmarks.figure import Bench, Figure, Goal, Result, Row, Table, row
from benchmarks.platform import Platform, platform
from benchmarks.runs import Run, experiment, room, run

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


def measure(bench: Bench) -> Result:
    """Drills of one seed, one after the other, on one system whose primary changes each time."""
    count = bench.times(10, 2)
    file = experiment(bench.folder / "project", "drill", EXPERIMENT)
    drills: list[Run] = []
    with room("failover-drill") as data:
        state = bench.folder / "system"
        with platform(state, "drill", f"--data={data}") as system:
            for number in range(count):
                _follows(system)
                bench.say(f"drill {number + 1} of {count}")
                drills.append(_drill(file, bench.folder, state / "state.json"))
    said = [_said(drill) for drill in drills]
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
            row("RTO, as measured", [_rto_s(drill) for drill in drills], "s"),
        ),
        tables=(Table("What they said", heads, tally),),
    )


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


def _drill(file: Path, folder: Path, state: Path) -> Run:
    done = run(file, folder, f"--seed={SEED}", f"--set=state={state}", within=RUN_S)
    assert (done.record / "report.html").stat().st_size, "there is no report"
    return done


def _said(drill: Run) -> str:
    """The verdict of the run and of each claim, in one line."""
    claims = (f"{claim['id']} {claim['outcome']}" for claim in drill.verdict["claims"])
    return "; ".join((str(drill.verdict["outcome"]), *claims))


def _rto_s(drill: Run) -> float:
    """The middle of the interval in which the entry was back."""
    [low, high] = drill.verdict["measures"]["recoveries"][0]["rto_s"]
    return float((low + high) / 2)


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
