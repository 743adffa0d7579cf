"""The copy that a backup is restored into is dropped, whoever was at it."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from sloproof.contracts import Owner, Undone
from sloproof.effects.incarnation import Incarnation
from sloproof.effects.restored_copy import Note, RestoredCopy
from sloproof.errors import EffectError
from sloproof.testing import check_effect
from tests.volumes import fill, small_disk

MINE = Owner("r", 1)
DROP = "import sys, pathlib; pathlib.Path('dropped').write_text(sys.argv[1])"
RESTORING = """
import sys, time
from pathlib import Path
from sloproof.effects.incarnation import Incarnation
from sloproof.effects.restored_copy import Note
assert Note(Path(sys.argv[1])).begin("noon")
print("restoring", flush=True)
time.sleep(60)
"""
TREE = """
import os, subprocess, sys
from pathlib import Path
from signal import SIGKILL
from sloproof.effects.incarnation import Incarnation
from sloproof.effects.restored_copy import Note
from sloproof.effects.tagged import OWNER
from sloproof.effects.tether import tied
tag = Note(Path("note")).begin("noon")
inner = "while :; do echo data >> copy; echo; sleep 0.01; done"
words = [*tied(SIGKILL), "sh", "-c", f"sh -c '{inner}'; exit $?"]
subprocess.run(words, env={**os.environ, OWNER: tag}, start_new_session=True)
"""
"""Restores by a command that has another one do it."""
SERVING = """
import os, subprocess
from pathlib import Path
from sloproof.effects.incarnation import Incarnation
from sloproof.effects.restored_copy import Note
from sloproof.effects.tagged import OWNER
tag = Note(Path("note")).begin("noon")
tagged = {**os.environ, OWNER: tag}
argv, none = ["sleep", "60"], subprocess.DEVNULL
served = subprocess.Popen(argv, env=tagged, stdout=none, stderr=none, start_new_session=True)
print(served.pid)
"""
"""Leaves a server for the copy, in a session of its own, and is gone."""
REMOVE = """
import pathlib, time
pathlib.Path('copy').unlink()
time.sleep(0.2)
raise SystemExit('it is there again' if pathlib.Path('copy').exists() else 0)
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


def test_what_a_command_had_others_do_is_ended_before_the_drop(tmp_path: Path) -> None:
    effect = copy(tmp_path, REMOVE).bound(MINE)
    effect.apply({})
    argv = [sys.executable, "-c", TREE]
    with subprocess.Popen(argv, cwd=tmp_path, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"\n"
        process.kill()  # the command dies with it, what that has started does not
        process.wait()
        assert effect.undo({}) is Undone.REVERTED
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_the_drop_left_is_ended(tmp_path: Path, applied: RestoredCopy) -> None:
    argv = [sys.executable, "-c", SERVING]
    done = subprocess.run(argv, cwd=tmp_path, check=True, capture_output=True, text=True)
    life = Incarnation.of(int(done.stdout))
    assert life is not None
    assert applied.undo({}) is Undone.REVERTED
    assert not life.alive()


@pytest.mark.parametrize("spoilt", [b"", bytes(512), b"{"])
def test_a_note_that_cannot_be_read_may_stand_for_a_copy(tmp_path: Path, spoilt: bytes) -> None:
    blunt = replace(copy(tmp_path), drop=("touch", "dropped")).bound(MINE)
    timed = copy(tmp_path).bound(MINE)
    blunt.apply({})
    (tmp_path / "note").write_bytes(spoilt)
    assert Note(tmp_path / "note").begin("noon") is None
    Note(tmp_path / "note").dropped()  # nor is it known to be gone
    with pytest.raises(EffectError, match="its moment is not known"):
        timed.undo({})
    assert blunt.undo({}) is Undone.REVERTED
    assert (tmp_path / "dropped").exists()


def test_the_remedy_tells_the_moment_and_where(tmp_path: Path, applied: RestoredCopy) -> None:
    assert applied.remedy().startswith(f"run in {tmp_path}: ")
    assert Note(tmp_path / "note").begin("2026-11-27T09:00:00+00:00")
    assert applied.remedy().endswith(" 2026-11-27T09:00:00+00:00")


def test_a_full_disk_leaves_no_half_of_a_note_and_keeps_no_undo(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk:
        ready = copy(disk).bound(MINE)
        ready.apply({})
        late = replace(ready, note=str(disk / "late"))
        fill(disk / "filling")
        with pytest.raises(EffectError, match="No space left"):
            late.apply({})
        assert sorted(each.name for each in disk.iterdir()) == ["filling", "note"]
        assert Note(disk / "note").begin("noon")
        Note(disk / "note").dropped()
        assert ready.undo({}) is Undone.REVERTED
        assert not ready.present({})
