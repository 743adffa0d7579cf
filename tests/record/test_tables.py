"""Small tables, also those of a run that ended before anything was to be written down."""

from __future__ import annotations

from pathlib import Path

from sloproof.record.reader import COLUMNS, Record
from sloproof.record.writer import RecordWriter
from sloproof.run.ledger.rows import columns


def test_a_ledger_without_a_write_is_read_as_one(tmp_path: Path) -> None:
    writer = RecordWriter(tmp_path / "record")
    writer.event(0, "run.started", run="run-1")
    writer.table("writes", columns([], "run-1", origin=0))
    writer.seal()
    table = Record(tmp_path / "record").table("writes")
    assert {name: len(column) for name, column in table.items()} == dict.fromkeys(
        COLUMNS["writes"], 0
    )
