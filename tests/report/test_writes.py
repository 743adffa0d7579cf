"""What became of a ledger's writes, in words that nobody reads as less than it was."""

from __future__ import annotations

from dataclasses import replace

from sloproof.report.figures import LedgerFigures
from sloproof.report.writes import Fate, ledger_rows, lost_tile

WELL = LedgerFigures(
    name="notes", writes=715, acknowledged=647, indeterminate=22, not_sent=46,
    lost=0, lost_after_fault=0, duplicated=0, phantom=0, stale={"b-1": 0}, rpo_s=(0.0, 0.0),
)  # fmt: skip
LOSES = replace(
    WELL, lost=3, lost_after_fault=2, duplicated=1, phantom=4, stale={"b-1": 7, "c-1": 0},
    rpo_s=(0.11, 0.13),
)  # fmt: skip


def told(fates: tuple[Fate, ...]) -> list[tuple[str, str, bool]]:
    return [(fate.name, fate.count, fate.bad) for fate in fates]


def test_what_did_not_happen_is_left_out_but_for_the_losses() -> None:
    rows = ledger_rows(WELL)
    assert told(rows.answered) == [
        ("Acknowledged", "647", False),
        ("Indeterminate", "22", False),
        ("Not sent", "46", False),
    ]
    assert told(rows.kept) == [("Lost", "0", False)]


def test_every_harm_is_told_and_marked() -> None:
    assert told(ledger_rows(LOSES).kept) == [
        ("Lost", "3", True),
        ("Oldest lost", "110 ms to 130 ms", True),
        ("Lost later", "2", True),
        ("Twice", "1", True),
        ("Phantom", "4", True),
        ("Stale", "7", False),
    ]


def test_copies_that_nobody_read_show_no_loss_and_no_lack_of_one() -> None:
    blind = replace(WELL, lost=None, lost_after_fault=None, reason="b-1 could not be read")
    rows = ledger_rows(blind)
    assert (rows.kept, rows.reason) == ((), "b-1 could not be read")
    assert list(lost_tile([blind])) == []


def test_the_glance_counts_every_loss() -> None:
    [tile] = lost_tile([WELL, LOSES])
    assert (tile.value, tile.note, tile.state) == ("5", "of 1,294 acknowledged", "bad")
    [tile] = lost_tile([WELL])
    assert (tile.value, tile.state) == ("0", "")
