"""The journal: what is on disk before anything is touched, and what a torn end means."""

from __future__ import annotations

import errno
import os
import threading
import time
from pathlib import Path

import pytest

from sloproof.contracts import Owner
from sloproof.errors import BrokenRecord, HarnessError
from sloproof.run.journal import PREALLOCATED, Journal, JournalBusy, Stage, read_journal
from sloproof.testing.world import Change


def effect(path: Path, number: int) -> Change:
    change = Change(world=str(path / "world"), subject=f"s{number}", what="x", value=number)
    return change.bound(Owner("run", number))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal"


def test_it_is_private_and_its_room_is_taken_beforehand(path: Path) -> None:
    journal = Journal.create(path, {"run": "r"})
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.stat().st_size == PREALLOCATED
    journal.release()


def test_every_stage_of_an_effect_can_be_read_back(path: Path, tmp_path: Path) -> None:
    journal = Journal.create(path, {"run": "r"})
    for number in (1, 2, 3, 4):
        journal.intend(effect(tmp_path, number), {"before": None}, "boot")
    journal.mark(2, Stage.APPLIED)
    journal.mark(3, Stage.REFUSED, error="no")
    journal.mark(4, Stage.UNDONE, outcome="reverted", by="engine")
    view = journal.view()
    stages = [view.entries[number].stage for number in (1, 2, 3, 4)]
    assert stages == [Stage.INTENDED, Stage.APPLIED, Stage.REFUSED, Stage.UNDONE]
    assert [entry.number for entry in view.open_entries] == [3, 2, 1]
    assert view.entries[1].load() == effect(tmp_path, 1)
    assert view.header == {"run": "r"}
    journal.release()


@pytest.mark.parametrize("kept", range(1, 60, 7))
def test_a_torn_last_line_is_left_out_and_written_over(
    path: Path, tmp_path: Path, kept: int
) -> None:
    journal = Journal.create(path, {"run": "r"})
    journal.intend(effect(tmp_path, 1), {}, "boot")
    whole = path.read_bytes().rstrip(b"\0")
    journal.intend(effect(tmp_path, 2), {}, "boot")
    journal.release()
    torn = path.read_bytes()[: len(whole) + kept]
    path.write_bytes(torn + b"\0" * (PREALLOCATED - len(torn)))
    assert list(read_journal(path).entries) == [1]
    again = Journal.open(path)
    again.mark(1, Stage.UNDONE)
    assert not again.view().open_entries
    again.release()


def test_only_one_holds_it(path: Path) -> None:
    journal = Journal.create(path, {})
    with pytest.raises(JournalBusy):
        Journal.open(path)
    journal.release()
    Journal.open(path).release()


def test_two_runs_never_share_one(path: Path) -> None:
    journal = Journal.create(path, {})
    with pytest.raises(HarnessError, match="can't write the journal"):
        Journal.create(path, {})
    journal.release()


def test_a_closed_one_is_gone(path: Path) -> None:
    Journal.create(path, {}).close()
    assert not path.exists()


def test_a_whole_line_that_is_none_is_refused(path: Path) -> None:
    path.write_bytes(b'{"type":"run"}\n{"type":"undone","number":7}\n')
    with pytest.raises(BrokenRecord, match=r"journal:2: not a line of a journal"):
        read_journal(path)


def test_half_a_line_is_taken_back(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal.create(path, {"run": "r"})
    journal.intend(effect(tmp_path, 1), {}, "boot")
    write = os.pwrite
    with monkeypatch.context() as broken:
        broken.setattr(os, "pwrite", lambda fd, data, end: write(fd, data.rstrip(b"\n}"), end))
        with pytest.raises(HarnessError, match="only a part of the line was written"):
            journal.intend(effect(tmp_path, 2), {}, "boot")
    assert list(journal.view().entries) == [1]
    journal.mark(1, Stage.UNDONE)
    assert journal.view().open_entries == []
    journal.close()


def test_where_there_is_no_room_none_is_begun(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(HarnessError, match="No space left on device"):
        Journal.create(path, {"run": "r"})
    assert not list(path.parent.glob("journal*"))


def test_it_takes_more_room_long_before_it_needs_it(path: Path, tmp_path: Path) -> None:
    journal = Journal.create(path, {"run": "r"})
    for _ in range(6):
        journal.add({"words": "x" * 100_000})
    assert path.stat().st_size == 2 * PREALLOCATED
    journal.intend(effect(tmp_path, 1), {}, "boot")
    journal.release()
    again = Journal.open(path)
    again.mark(1, Stage.UNDONE)
    assert again.view().open_entries == []
    again.close()


def test_whoever_waited_while_it_was_closed_finds_none(path: Path) -> None:
    journal = Journal.create(path, {"run": "r"})
    found: list[str] = []

    def wait() -> None:
        try:
            Journal.open(path, patience=10)
        except FileNotFoundError as error:
            found.append(str(error))

    waiting = threading.Thread(target=wait)
    waiting.start()
    time.sleep(0.1)  # so that it has most likely begun to wait; either way there is none
    journal.close()
    waiting.join(10)
    assert found
