"""Runs that restore a backup on a real database: the harness dies meanwhile, its clock jumps."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator

import psycopg
import pytest

from sloproof.effects.incarnation import Incarnation
from sloproof.effects.page import page_of
from sloproof.effects.skew import Skew
from tests.resources.conftest import library
from tests.system.drills import PATIENCE, SHORT, Drill, DrillBench, claims, said
from tests.system.running import soon

pytestmark = pytest.mark.timeout(600)
RESTORE = """
import json, os, sys, time, psycopg
dsn = "{dsn}"
with psycopg.connect(dsn, autocommit=True) as server:
    server.execute("drop schema if exists restored cascade")
    if sys.argv[1:]:
        server.execute("create schema restored")
        rows = "select * from public.drill where at <= '%s'" % sys.argv[1]
        server.execute("create table restored.drill as " + rows)
        while os.path.exists("stall"):
            server.execute("create schema if not exists restored")
            time.sleep(0.01)
        print(json.dumps({{"dsn": dsn + "?options=-csearch_path%3Drestored"}}))
"""
"""A backup as of a moment: what the server had written down by then, by its own clock.

For as long as there is a file `stall` it goes on, and makes anew what somebody else drops.
"""
WRITTEN = "select count(*) from drill"
COPIES = "select count(*) from pg_namespace where nspname = 'restored'"


@pytest.fixture
def bench(stores: Drill) -> Iterator[DrillBench]:
    bench = DrillBench(stores.folder, drill=stores)
    yield bench
    bench.stop()


def a_target_that_restores(stores: Drill) -> None:
    """Let the target know how."""
    (stores.folder / "restore.py").write_text(RESTORE.format(dsn=stores.stores.primary.dsn))
    tell_how(
        stores,
        '[sh, -c, "$(python) restore.py {until}; exit $?"], within: 30s',
        "[$(python), restore.py], within: 20s",
    )
    with psycopg.connect(stores.stores.primary.dsn) as connection:
        connection.execute("alter table drill add at timestamptz default clock_timestamp()")


def tell_how(stores: Drill, restore: str, drop: str) -> None:
    """Say in the target's file by which commands a backup is restored."""
    lines = f"      restore: {{command: {restore}}}\n      drop: {{command: {drop}}}\n"
    stores.amend_target("      read:", f"{lines}      read:")


def ask_for_a_backup(stores: Drill) -> None:
    """Have the next run restore one."""
    stores.write(
        """
  ledger: {name: rows, rate: 50/s, restore: 500ms}
  verify: [{backup: {}}, {data_loss: {}}]
""",
        baseline="2s",
        recovery=SHORT,
    )


def jump(run: subprocess.Popen[str], bench: DrillBench, seconds: int) -> None:
    """Put the wall clock of every process of a run off; each of them was started armed."""
    pids = [run.pid, *(int(line.partition(":")[0]) for line in bench.processes())]
    lives = [life for life in map(Incarnation.of, pids) if life is not None]
    pages = [(life, page) for life in lives if (page := page_of(life))]
    assert len(pages) >= 3, "the engine, its prober and its ledger"
    for life, page in pages:
        skew = Skew(incarnation=str(life), instance="it", offset_ns=seconds * 1_000_000_000)
        skew.fill(page)


@pytest.mark.slow
@pytest.mark.parametrize("end", ["engine dies", "engine and guardian die", "ledger dies", "SIGINT"])
def test_what_was_being_restored_is_dropped_whoever_dies(
    bench: DrillBench, stores: Drill, end: str
) -> None:
    primary = stores.stores.primary.dsn
    a_target_that_restores(stores)
    ask_for_a_backup(stores)
    stall = stores.folder / "stall"
    stall.touch()
    run = bench.begin(*bench.argv())
    soon(lambda: said(primary, COPIES) == "1", PATIENCE, "a half restored copy")
    if end == "engine and guardian die":
        bench.guardian.send(signal.SIGKILL)
    if end == "ledger dies":
        bench.ledger().send(signal.SIGKILL)
    else:
        run.send_signal(signal.SIGINT if end == "SIGINT" else signal.SIGKILL)
    ended = bench.end(run)
    assert ended.status == {"SIGINT": 3, "ledger dies": 4}.get(end, -signal.SIGKILL), ended.words
    if end == "engine and guardian die":
        # What a command had another one do is tied to nobody: it goes on until somebody recovers.
        soon(
            lambda: all("restore.py" in line for line in bench.processes()),
            PATIENCE,
            "the helpers' end",
        )
        assert said(primary, COPIES) == "1", "nobody was left to drop it"
        recovered = bench.sloproof("recover")
        assert recovered.status == 0, recovered.words
    soon(lambda: said(primary, COPIES) == "0", PATIENCE, "no copy")
    bench.nothing_is_left(PATIENCE)
    assert said(primary, COPIES) == "0"
    bench.next_run_works()


@pytest.mark.slow
@pytest.mark.parametrize(
    "by_s", [0, -3600, 3600], ids=["it stays", "an hour back", "an hour forward"]
)
def test_a_wall_clock_that_jumps_is_noticed_and_shows_nothing(
    bench: DrillBench, stores: Drill, by_s: int
) -> None:
    library()  # nobody can arm anything without it
    a_target_that_restores(stores)
    ask_for_a_backup(stores)
    bench.prefix = (sys.executable, "-m", "sloproof", "arm", "--")
    run = bench.begin(*bench.argv())
    soon(
        lambda: int(said(stores.stores.primary.dsn, WRITTEN)) > 50,
        PATIENCE,
        "writes of after the moment",
    )
    jump(run, bench, by_s)
    ended = bench.end(run)
    found = claims(ended)
    assert set(found) == {"backup", "data_loss"}
    if not by_s:
        assert (ended.status, ended.said["outcome"]) == (0, "PASS"), ended.out
        return
    assert (ended.status, ended.said["outcome"]) == (3, "INCONCLUSIVE"), ended.out
    for outcome, reason in found.values():
        assert outcome == "INCONCLUSIVE", reason
        assert f"the clock jumped {'back' if by_s < 0 else 'forward'} by 3" in reason
    [restored] = bench.events("ledger.restored")
    assert restored["error_ns"] == pytest.approx(3600e9, rel=0.001)
    bench.nothing_is_left(PATIENCE)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("restore", "drop", "status"),
    [
        # A drop has its own time, and may be needed though nothing was restored.
        ("exit 1", "sleep 2; touch dropped", 1),
        ("exit 1", "touch dropped; exit 1", 5),
        ("exit 127", "touch dropped", 1),
    ],
    ids=["a long drop", "a drop that fails", "a restore that fails without a word"],
)
def test_a_restore_that_fails_is_told_and_dropped(
    bench: DrillBench, stores: Drill, restore: str, drop: str, status: int
) -> None:
    tell_how(stores, f'[sh, -c, "{restore}"], within: 1s', f'[sh, -c, "{drop}"], within: 20s')
    ask_for_a_backup(stores)
    ended = bench.sloproof(*bench.argv())
    assert ended.status == status, ended.words
    outcome, reason = claims(ended)["backup"]
    assert (outcome, restore.replace("exit", "exit status") in reason) == ("FAIL", True), reason
    assert (stores.folder / "dropped").exists()
    assert len(ended.said["unreverted"]) == (status == 5)
