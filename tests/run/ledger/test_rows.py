"""Rows of the ledger: whoever dies, no acknowledged write is missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from sloproof.record.schema import NEVER, WriteOutcome
from sloproof.run.ledger.rows import FILE, ROW, RowFile, Write, columns, read_rows, sequence_of

SENT = Write(sequence=0, intended=10, sent=11)
ENDED = Write(
    sequence=0, intended=10, sent=11, finished=15, outcome=WriteOutcome.ACKNOWLEDGED, detail=""
)


def test_a_write_that_ended_is_what_it_ended_as(tmp_path: Path) -> None:
    file = RowFile(tmp_path)
    file.sending(SENT)
    file.ended(ENDED)
    assert read_rows(tmp_path) == [ENDED]


def test_a_write_that_was_only_sent_is_indeterminate(tmp_path: Path) -> None:
    RowFile(tmp_path).sending(SENT)
    [found] = read_rows(tmp_path)
    assert (found.outcome, found.finished) == (WriteOutcome.INDETERMINATE, NEVER)


@pytest.mark.parametrize("cut", range(1, ROW.size))
def test_a_torn_row_is_none(tmp_path: Path, cut: int) -> None:
    file = RowFile(tmp_path)
    file.sending(SENT)
    file.ended(ENDED)
    whole = (tmp_path / FILE).read_bytes()
    (tmp_path / FILE).write_bytes(whole[:-cut])
    assert [row.outcome for row in read_rows(tmp_path)] == [WriteOutcome.INDETERMINATE]


def test_no_file_is_no_write(tmp_path: Path) -> None:
    assert read_rows(tmp_path) == []


def test_times_in_the_record_count_from_its_origin(tmp_path: Path) -> None:
    unsent = Write(sequence=1, intended=30, outcome=WriteOutcome.NOT_SENT, detail="no slot")
    found = columns([ENDED, unsent], "run-1", origin=10)
    assert list(found["intended"]) == [0, 20]
    assert list(found["finished"]) == [5, NEVER]
    assert list(found["id"]) == ["run-1-000000", "run-1-000001"]


@pytest.mark.parametrize(
    ("found", "sequence"),
    [
        ("run-1-000007", 7),
        ("run-1-1000000", 1_000_000),
        ("run-1-7", -1),
        ("run-1-00000x", -1),
        ("run-2-000007", -1),
        ("run-1-", -1),
    ],
)
def test_only_ids_that_the_ledger_gives_have_a_number(found: str, sequence: int) -> None:
    assert sequence_of("run-1", found) == sequence
