"""The ledger on a real primary and its standby."""

from __future__ import annotations

import asyncio
import signal
import time
from collections import Counter
from pathlib import Path
from typing import Any

import psycopg
import pytest

from sloproof.model.secrets import Secrets
from sloproof.record.reader import Record
from sloproof.record.schema import WriteOutcome
from sloproof.record.writer import RecordWriter
from sloproof.run.ledger.driver import RealLedger
from sloproof.run.ledger.order import Order
from sloproof.run.ledger.sql_writer import SqlWriter
from sloproof.run.ledger.writing import Fate
from tests.postgres import Pair, pair
from tests.run.ledger.stage import MS, READ, STATEMENT, TABLE, TARGET, order, staged, until

ACK, FAILED, OPEN = WriteOutcome.ACKNOWLEDGED, WriteOutcome.FAILED, WriteOutcome.INDETERMINATE


def both(running: Pair) -> dict[str, str]:
    return {"a": running.primary.dsn, "b": running.standby.dsn}


def anywhere(running: Pair) -> str:
    """Either of them, whichever can be written."""
    a, b = running.primary, running.standby
    head, _, name = a.dsn.rpartition("/")
    return f"{head},127.0.0.1:{b.port}/{name}?target_session_attrs=read-write"


def ids(dsn: str) -> list[str]:
    with psycopg.connect(dsn) as connection:
        found = connection.execute(READ, {"run": "run-1"}).fetchall()
    return sorted(name for (name,) in found)


@pytest.fixture
def running(tmp_path: Path) -> Any:
    with pair(tmp_path / "pg") as found:
        with psycopg.connect(found.primary.dsn) as connection:
            connection.execute(TABLE)
        yield found


def recorded(folder: Path, ledger: Any) -> Record:
    writer = RecordWriter(folder / "record")
    writer.event(0, "run.started", run="run-1")
    ledger.write(writer, 0)
    writer.seal()
    return Record(folder / "record")


def test_what_was_acknowledged_and_what_the_copies_have_after_a_failover(
    tmp_path: Path, running: Pair
) -> None:
    wanted = order(both(running), dsn=anywhere(running))
    with staged(tmp_path, wanted) as stage:
        stage.begin()
        stage.acknowledged(50)
        running.kill_primary()
        asyncio.run(running.standby.promote())
        before = stage.count(ACK)
        stage.acknowledged(before + 30)
        stage.end()
        record = recorded(tmp_path, stage.ledger)
        rows = stage.rows()
    assert [row.sequence for row in rows] == list(range(len(rows)))
    copies = record.table("copies")
    assert set(copies["copy"]) == {"b"}
    assert sorted(copies["id"]) == ids(running.standby.dsn)
    outcomes = Counter(WriteOutcome(o).name for o in record.table("writes")["outcome"])
    assert outcomes["ACKNOWLEDGED"] >= 80
    acknowledged = record.table("writes")["outcome"] == ACK
    had = set(copies["sequence"].tolist())
    lost = set(record.table("writes")["sequence"][acknowledged].tolist()) - had
    assert len(lost) < 50


def one_write(running: Pair, statement: str = STATEMENT, sequence: int = 1, **more: Any) -> Fate:
    wanted = order(both(running), statement=statement, **more)
    assert wanted.sql is not None
    sql = wanted.sql

    async def write() -> Fate:
        writer = SqlWriter(wanted, sql)
        try:
            return await writer.write(sequence, f"run-1-{sequence:06d}")
        finally:
            await writer.close()

    return asyncio.run(write())


def test_what_the_server_says_of_a_write(running: Pair) -> None:
    assert one_write(running) == Fate(ACK)
    nowhere = "insert into nowhere values (%(id)s)"
    assert one_write(running, nowhere) == Fate(FAILED, "sql 42P01")
    known = "insert into ledger (id, sequence) select %(id)s, 1 / 0"
    assert one_write(running, known) == Fate(FAILED, "sql 22012")
    standby = f"{running.standby.dsn}?target_session_attrs=read-write"
    assert one_write(running, dsn=standby) == Fate(FAILED, "read-only")
    assert one_write(running, dsn=running.standby.dsn) == Fate(FAILED, "sql 25006")
    assert ids(running.primary.dsn) == ["run-1-000001"]


def test_a_write_that_times_out_is_given_up_without_asking_the_server(running: Pair) -> None:
    with psycopg.connect(running.primary.dsn) as other:
        other.execute("lock table ledger in access exclusive mode")
        began = time.monotonic()
        found = one_write(running, timeout_ns=300 * MS)
        assert time.monotonic() - began < 5
        assert found == Fate(OPEN, "timeout")
    # The server was not asked to give it up, and so applies it after all.
    until(lambda: ids(running.primary.dsn) == ["run-1-000001"], "the write, applied late")


def test_what_is_applied_late_is_read_back(tmp_path: Path, running: Pair) -> None:
    with staged(tmp_path, order(both(running), timeout_ns=300 * MS)) as stage:
        stage.begin()
        stage.acknowledged(10)
        with psycopg.connect(running.primary.dsn) as other:
            other.execute("lock table ledger in access exclusive mode")
            until(lambda: [row for row in stage.rows() if row.detail == "timeout"], "a time-out")
        stage.end()
        record = recorded(tmp_path, stage.ledger)
    writes, copies = record.table("writes"), record.table("copies")
    there = set(copies["sequence"][copies["copy"] == "a"].tolist())
    open_ones = set(writes["sequence"][writes["outcome"] == OPEN].tolist())
    assert open_ones & there, "some that timed out were applied all the same"
    assert set(writes["sequence"][writes["outcome"] == ACK].tolist()) <= there
    assert sorted(copies["id"][copies["copy"] == "b"]) == ids(running.standby.dsn)


def test_a_server_that_stands_still_is_unreadable_and_keeps_nobody_waiting(
    tmp_path: Path, running: Pair
) -> None:
    process = running.running.processes[running.standby.name]
    with staged(tmp_path, order(both(running))) as stage:
        stage.begin()
        stage.acknowledged(10)
        process.send_signal(signal.SIGSTOP)
        try:
            stage.end()
        finally:
            process.send_signal(signal.SIGCONT)
        writer = RecordWriter(tmp_path / "record")
        facts = stage.ledger.write(writer, 0)
        writer.close()
    looks = {look["copy"]: (look["error"], look["role"]) for look in facts["copies"]}
    assert looks == {"a": ("", "primary"), "b": ("timeout", "")}


def test_nothing_of_the_ledger_stays_on_the_servers(tmp_path: Path, running: Pair) -> None:
    with staged(tmp_path, order(both(running))) as stage:
        stage.begin()
        stage.acknowledged(10)
        stage.end()
    asked = "select count(*) from pg_stat_activity where application_name = 'sloproof'"
    for dsn in both(running).values():
        with psycopg.connect(dsn, autocommit=True) as connection:
            until(lambda: connection.execute(asked).fetchone() == (0,), "the connections' end")


def test_a_password_stands_in_no_file_of_the_ledger(tmp_path: Path) -> None:
    dsn = "postgresql://me:hush-hush@127.0.0.1:1/x"
    wanted = order({"a": dsn})
    ledger = RealLedger(tmp_path / "ledger", lambda _: wanted, Secrets({"HUSH": "hush-hush"}))
    ledger.prepare(TARGET)
    assert "hush-hush" not in (tmp_path / "ledger" / "spec.json").read_text()
    with Secrets({"HUSH": "hush-hush"}).exported():
        found, secrets = Order.read_from(tmp_path / "ledger")
    assert found == wanted
    assert secrets.mask(dsn) == "postgresql://me:***@127.0.0.1:1/x"
