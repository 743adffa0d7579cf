"""Bad days of a drill on a real database: the harness dies, its disk fills up.

And days of the database itself: it is down, its standby was never there, its answers come too late.
Runs that are ended on purpose, in each of their phases, are in `tests/truth/test_every_phase.py`;
those that restore a backup in `test_drill_restores.py`.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest

from digital_human.postgres.server import Server
from sloproof.effects.postgres import Connection
from sloproof.errors import EffectError
from sloproof.record.reader import Record
from sloproof.record.schema import WriteOutcome
from tests.system.drills import (
    CALM,
    PATIENCE,
    SHORT,
    Drill,
    DrillBench,
    claims,
    drill,
    ids,
    said,
    written,
)
from tests.system.running import soon
from tests.truth.bench import Ended
from tests.volumes import fill, small_disk

pytestmark = pytest.mark.timeout(600)
FAIL_OVER = """
  ledger: {name: rows, rate: 50/s}
  faults: [{name: blow, inject: primary_kill, where: {store: db}, at: 2s}]
  verify:
    - {failover: {store: db, within: 5s}}
    - {data_loss: {}}
"""
LATE = """
  ledger: {name: rows, rate: 50/s}
  faults:
    - {name: lag, inject: replication_lag, where: {store: db}, with: {delay: 1s}, at: 2s, for: 60s}
  verify: [{data_loss: {}}]
"""
ROLES = {"f": "primary", "t": "standby"}
GIVEN_UP = """
  select count(*) from pg_stat_activity
  where wait_event_type = 'Lock' and query_start < clock_timestamp() - interval '600ms'
"""
"""How many wait for a lock that nobody waits for any more."""


@pytest.fixture
def bench(stores: Drill) -> Iterator[DrillBench]:
    bench = DrillBench(stores.folder, drill=stores)
    yield bench
    bench.stop()


def numbers(ended: Ended, claim: str) -> dict[str, int]:
    [found] = [each for each in ended.said["claims"] if each["id"] == claim]
    return {number["name"]: number["value"] for number in found["numbers"]}


def role(server: Server) -> str:
    """What a server says that it is; "" where it says nothing, or not yet."""
    with suppress(EffectError):
        return ROLES[said(server.dsn, "select pg_is_in_recovery()")]
    return ""


# -- the harness dies, or is told to end


@pytest.mark.slow
@pytest.mark.parametrize("end", ["engine dies", "engine and guardian die", "SIGINT"])
def test_a_fail_over_that_ends_early_leaves_a_store_that_works(
    bench: DrillBench, stores: Drill, end: str
) -> None:
    old, new = stores.stores.primary, stores.stores.standby
    stores.write(FAIL_OVER)
    run = bench.begin(*bench.argv())
    struck = stores.stores.running.processes[old.name]
    soon(lambda: struck.poll() is not None, PATIENCE, "the blow")
    if "guardian" in end:
        bench.guardian.send(signal.SIGKILL)
    run.send_signal(signal.SIGINT if end == "SIGINT" else signal.SIGKILL)
    ended = bench.end(run)
    assert ended.status == (3 if end == "SIGINT" else -signal.SIGKILL), ended.words
    if "guardian" in end:
        soon(lambda: not bench.processes(), PATIENCE, "the helpers' end")
        assert bench.journals, "nobody was left to bring the primary back"
        recovered = bench.sloproof("recover")
        assert recovered.status == 0, recovered.words
    soon(lambda: (role(new), role(old)) == ("primary", "standby"), PATIENCE, "a pair that works")
    bench.nothing_is_left(PATIENCE)
    bench.next_run_works()
    soon(lambda: ids(old.dsn) == ids(new.dsn), PATIENCE, "the next run's writes on the standby")


@pytest.mark.slow
@pytest.mark.sampled(1)
@pytest.mark.parametrize("phase", ["recovery", "read-back", "restore", "seal"])
def test_a_fail_over_interrupted_in_a_later_phase_is_put_back(
    bench: DrillBench, stores: Drill, phase: str
) -> None:
    old, new = stores.stores.primary, stores.stores.standby
    stores.write(FAIL_OVER)
    run = bench.begin(*bench.argv())

    def begun() -> bool:
        told = bench.records and any(e["phase"] == phase for e in bench.events("phase"))
        return bool(told) or run.poll() is not None

    soon(begun, PATIENCE, phase)
    run.send_signal(signal.SIGINT)
    ended = bench.end(run)
    assert ended.said["unreverted"] == [], ended.words
    if ended.said["how"] == "completed":
        assert phase in ("restore", "seal"), ended.words  # all had been measured by then
        assert ended.status == 0, ended.out
    else:
        assert (ended.status, ended.said["outcome"]) == (3, "INCONCLUSIVE"), ended.words
    soon(lambda: (role(new), role(old)) == ("primary", "standby"), PATIENCE, "a pair that works")
    bench.nothing_is_left(PATIENCE)
    bench.next_run_works()


@pytest.mark.slow
def test_a_ledger_that_dies_ends_the_drill_and_vouches_for_nothing(
    bench: DrillBench, stores: Drill
) -> None:
    old, new = stores.stores.primary, stores.stores.standby
    stores.write(FAIL_OVER)
    run = bench.begin(*bench.argv())
    struck = stores.stores.running.processes[old.name]
    soon(lambda: struck.poll() is not None, PATIENCE, "the blow")
    bench.ledger().send(signal.SIGKILL)
    ended = bench.end(run)
    assert (ended.status, ended.said["outcome"]) == (4, "INCONCLUSIVE"), ended.words
    assert ended.said["reason"] == "the ledger failed: its process died"
    assert claims(ended)["data_loss"][0] == "INCONCLUSIVE", ended.said["claims"]
    assert ended.said["unreverted"] == []
    soon(lambda: (role(new), role(old)) == ("primary", "standby"), PATIENCE, "a pair that works")
    bench.nothing_is_left(PATIENCE)
    bench.next_run_works()


# -- the disk of the record


@pytest.mark.slow
def test_a_full_disk_ends_a_drill_and_what_was_written_can_be_judged(
    bench: DrillBench, stores: Drill, tmp_path: Path
) -> None:
    stores.write(LATE)
    with small_disk(tmp_path / "disk") as disk:
        bench.folder = disk  # the drill's own files, and its state, stay where there is room
        run = bench.begin(*bench.argv())
        soon(bench.late, PATIENCE, "the fault")
        fill(disk / "filling")
        ended = bench.end(run)
        assert (ended.status, ended.said["outcome"]) == (4, "INCONCLUSIVE"), ended.words
        assert "No space left on device" in ended.said["reason"]
        assert ended.said["unreverted"] == []
        bench.nothing_is_left(PATIENCE)
        [record] = map(str, bench.records)
        judged = bench.sloproof("judge", record)
        assert judged.status == 3, judged.words
        assert "verdict.json: can't be written: No space left on device" in judged.out
        (disk / "filling").unlink()
        judged = bench.sloproof("judge", record)
        assert judged.status == 3, judged.words
        assert "the record has no seal: only its readable beginning was judged" in judged.out
        reported = bench.sloproof("report", record)
        assert reported.status == 0, reported.words
        assert "only its readable beginning was judged" in Path(record, "report.html").read_text()
        bench.next_run_works()


# -- the database


@pytest.mark.parametrize(
    ("struck", "why"),
    [
        ("ab", "no process found for db-a, db-b"),
        ("a", "no process found for db-a"),
        ("", "no copy is a primary now: db-a doesn't say what it is, db-b is a standby"),
    ],
    ids=["all down", "primary down", "primary stands still"],
)
def test_a_database_that_is_down_is_told_and_not_touched(
    tmp_path: Path, struck: str, why: str
) -> None:
    with drill(tmp_path, healed=False) as stores:
        bench = DrillBench(tmp_path, drill=stores)
        stores.write(FAIL_OVER)
        pair = stores.stores
        for server in (pair.standby, pair.primary):
            if server.name in struck:
                pair.running.kill(server)
        primary = pair.running.processes[pair.primary.name]
        if not struck:
            primary.send_signal(signal.SIGSTOP)
        try:
            ended = bench.sloproof(*bench.argv())
        finally:
            bench.stop()
            primary.send_signal(signal.SIGCONT)
        assert (ended.status, ended.said["outcome"]) == (4, "INCONCLUSIVE"), ended.words
        assert why in ended.said["reason"]
        assert {outcome for outcome, _ in claims(ended).values()} == {"INCONCLUSIVE"}
        assert bench.events("fault.injecting") == []
        soon(lambda: not bench.processes(), PATIENCE, "the helpers' end")
        assert bench.journals == []


@pytest.mark.slow
def test_a_standby_that_was_never_connected_takes_nothing_over(
    bench: DrillBench, stores: Drill
) -> None:
    primary, standby = stores.stores.primary, stores.stores.standby
    with psycopg.connect(standby.dsn, autocommit=True) as connection:
        connection.execute("alter system set primary_conninfo = ''")
        connection.execute("select pg_reload_conf()")
    connected = "select count(*) from pg_stat_replication"
    soon(lambda: said(primary.dsn, connected) == "0", PATIENCE, "the standby's end of it")
    late = "    - {replication: {store: db, at_most: 500ms}, during: baseline}\n"
    stores.write(FAIL_OVER + late, recovery=SHORT)
    ended = bench.sloproof(*bench.argv())
    found = claims(ended)
    assert {name: outcome for name, (outcome, _) in found.items()} == {
        "failover:db": "INCONCLUSIVE",
        "data_loss": "FAIL",
        "replication:db@baseline": "INCONCLUSIVE",
    }, ended.out
    assert "acknowledged before: it was no standby of db-a" in found["failover:db"][1]
    assert "db-b was promoted before any of the" in found["replication:db@baseline"][1]
    counted = numbers(ended, "data_loss")
    record = Record(bench.records[-1])
    assert counted["lost"] == len(written(record, WriteOutcome.ACKNOWLEDGED) - ids(standby.dsn))
    assert counted["lost after the fault"] == 0
    assert ended.status == 1
    bench.nothing_is_left(PATIENCE)


@pytest.mark.slow
def test_a_write_that_timed_out_and_was_applied_is_neither_lost_nor_failed(
    bench: DrillBench, stores: Drill
) -> None:
    primary = stores.stores.primary.dsn
    stores.amend_target("      sql:", "      timeout: 300ms\n      sql:")
    stores.write(CALM.replace("50/s", "10/s"), baseline="3s", recovery=SHORT)
    run = bench.begin(*bench.argv())
    soon(lambda: said(primary, "select count(*) from drill") != "0", PATIENCE, "the first writes")
    with psycopg.connect(primary) as other, Connection(primary) as server:
        other.execute("lock table drill in access exclusive mode")
        soon(lambda: int(server.value(GIVEN_UP)) >= 5, PATIENCE, "time-outs")
    ended = bench.end(run)
    assert (ended.status, ended.said["outcome"]) == (0, "PASS"), ended.out
    record, there = Record(bench.records[-1]), ids(primary)
    undecided = written(record, WriteOutcome.INDETERMINATE)
    assert len(undecided & there) >= 5
    assert written(record, WriteOutcome.ACKNOWLEDGED) <= there
    counted = numbers(ended, "data_loss")
    assert counted["indeterminate"] == len(undecided)
    assert counted["indeterminate applied"] == len(undecided & there)
    assert [counted[name] for name in ("lost", "lost after the fault", "phantom")] == [0, 0, 0]
    assert counted["failed"] == len(written(record, WriteOutcome.FAILED))
