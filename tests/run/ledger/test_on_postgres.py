"""The ledger on a real primary and its standby."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

import psycopg
import pytest

from sloproof.record.reader import Record
from sloproof.record.schema import WriteOutcome
from sloproof.record.writer import RecordWriter
from tests.postgres import Pair, pair
from tests.run.ledger.stage import READ, TABLE, order, staged

ACK = WriteOutcome.ACKNOWLEDGED


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
