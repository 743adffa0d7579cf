"""The copy that a backup is restored into is dropped, whoever was at it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from sloproof.contracts import Owner, Undone
from sloproof.effects.restored_copy import Note, RestoredCopy
from sloproof.errors import EffectError
from sloproof.testing import check_effect

MINE = Owner("r", 1)
DROP = "import sys, pathlib; pathlib.Path('dropped').write_text(sys.argv[1])"
RESTORING = """
import sys, time
from pathlib import Path
from sloproof.effects.restored_copy import Note
assert Note(Path(sys.argv[1])).begin("noon")
print("restoring", flush=True)
time.sleep(60)
"""


def copy(folder: Path, code: str = DROP) -> RestoredCopy:
    return RestoredCopy(
        note=str(folder / "note"),
        drop=(sys.executable, "-c", code, "{until}"),
        folder=str(folder),
        within_s=20.0,
    )


@pytest.fixture
def applied(tmp_path: Path) -> RestoredCopy:
    effect = copy(tmp_path).bound(MINE)
    effect.apply({})
    return effect


def test_it_keeps_the_laws(tmp_path: Path) -> None:
    check_effect(copy(tmp_path))


def test_what_was_never_restored_is_not_dropped(tmp_path: Path, applied: RestoredCopy) -> None:
    assert applied.undo({}) is Undone.REVERTED
    assert list(tmp_path.iterdir()) == []


def test_once_it_is_undone_nothing_is_restored(tmp_path: Path, applied: RestoredCopy) -> None:
    note = Note(tmp_path / "note")
    note.end()
    assert not note.begin("noon")
    applied.undo({})
    assert not note.begin("noon")
    assert list(tmp_path.iterdir()) == []


def test_what_was_dropped_already_is_left_alone(tmp_path: Path, applied: RestoredCopy) -> None:
    note = Note(tmp_path / "note")
    assert note.begin("noon")
    note.dropped()
    assert applied.undo({}) is Undone.REVERTED
    assert list(tmp_path.iterdir()) == []
    note.dropped()  # who comes later makes nothing anew
    assert list(tmp_path.iterdir()) == []


def test_a_restore_under_way_is_ended_and_dropped(tmp_path: Path, applied: RestoredCopy) -> None:
    argv = [sys.executable, "-c", RESTORING, str(tmp_path / "note")]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"restoring\n"
        assert applied.undo({}) is Undone.REVERTED
        assert process.wait(10) == -9
    assert (tmp_path / "dropped").read_text() == "noon"
    assert not applied.present({})


def test_what_cannot_be_dropped_stays_noted(tmp_path: Path) -> None:
    effect = copy(tmp_path, "raise SystemExit('the server is away')").bound(MINE)
    effect.apply({})
    gone = [sys.executable, "-c", RESTORING.replace("60", "0"), str(tmp_path / "note")]
    subprocess.run(gone, check=True, capture_output=True)
    for _ in range(2):
        with pytest.raises(EffectError, match="exit status 1: the server is away"):
            effect.undo({})
        assert effect.present({})
