"""Backups of the platform's database, with real servers."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from digital_human.postgres import shipping, sql
from digital_human.postgres.archive import Archive, archiving, flush
from digital_human.postgres.backup import backups, choose, expire, take
from digital_human.postgres.contents import contents
from digital_human.postgres.errors import BackupError
from tests.digital_human.archived import Archived, archived

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small volume")


@pytest.fixture(scope="module")
def shared() -> Iterator[Archived]:
    with archived() as made:
        yield made


@pytest.fixture
def fresh() -> Iterator[Archived]:
    with archived() as made:
        yield made


def test_a_backup_says_what_the_tables_held_and_a_restore_holds_the_same(shared: Archived) -> None:
    shared.write("kept 1", "kept 2", "kept 3")
    held = asyncio.run(contents(shared.primary.dsn))

    backup = shared.take()

    assert backup.moment.tables == held
    assert backups(shared.archive)[-1] == backup
    found = shared.verify(backup)
    assert found.problems == ()
    assert backups(shared.archive)[-1].good is True


def test_verification_needs_no_primary(fresh: Archived) -> None:
    fresh.write("kept")
    backup = fresh.take()
    fresh.running.kill(fresh.primary)
    assert fresh.verify(backup).good
    assert fresh.notes_at(None) == {"kept"}


def flip(path: Path, at: int) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        byte = file.read(1)
        file.seek(at)
        file.write(bytes([byte[0] ^ 0xFF]))


def test_a_backup_with_one_wrong_byte_is_told_and_not_chosen(shared: Archived) -> None:
    good, bad = shared.take(), shared.take()
    [pages] = asyncio.run(
        sql.rows(shared.primary.dsn, "select pg_relation_filepath('pg_catalog.pg_attribute')")
    )
    flip(bad.data / pages[0], 9_000)

    found = shared.verify(bad)

    assert not found.good
    assert "checksum mismatch" in found.problems[0]
    assert choose(shared.archive).label == good.label


def test_a_backup_that_lacks_a_file_is_told(shared: Archived) -> None:
    backup = shared.take()
    (backup.data / "global" / "pg_filenode.map").unlink()
    assert "pg_filenode.map" in shared.verify(backup).problems[0]


def test_a_backup_whose_archived_wal_is_broken_is_told(fresh: Archived) -> None:
    fresh.write("kept")
    backup = fresh.take()
    fresh.write("also kept")
    (fresh.archive.wal / backup.moment.wal).unlink()
    assert "the archive ends before" in fresh.verify(backup).problems[0]


def test_a_backup_that_holds_something_else_is_told_table_by_table(fresh: Archived) -> None:
    fresh.write("kept")
    backup = fresh.take()
    path = backup.folder / "backup.json"
    told = json.loads(path.read_text())
    told["moment"]["tables"]["shard_0.notes"]["rows"] += 1
    told["moment"]["tables"]["shard_1.sessions"]["checksum"] = "1"
    path.write_text(json.dumps(told))

    [changed] = backups(fresh.archive)

    assert [problem.split()[0] for problem in fresh.verify(changed).problems] == [
        "shard_0.notes",
        "shard_1.sessions",
    ]


def test_a_backup_of_nobody_leaves_nothing(shared: Archived) -> None:
    before = list(shared.archive.backups.iterdir())
    with pytest.raises(BackupError, match="no backup was made"):
        asyncio.run(take("postgresql://postgres@127.0.0.1:1/digital_human", shared.archive))
    assert list(shared.archive.backups.iterdir()) == before


def test_an_archive_that_is_not_there_is_told(shared: Archived) -> None:
    nowhere = Archive(shared.archive.folder / "nowhere")
    with pytest.raises(BackupError, match="can't be used"):
        asyncio.run(take(shared.primary.dsn, nowhere))
    assert backups(nowhere) == []


def test_two_backups_at_once_are_refused(shared: Archived) -> None:
    with shared.archive.locked(), pytest.raises(BackupError, match="another backup"):
        shared.take()


def test_old_backups_go_but_never_the_last_good_one(fresh: Archived) -> None:
    good, unproven, newest = fresh.take(), fresh.take(), fresh.take()
    assert fresh.verify(good).good
    later = datetime.now(UTC) + timedelta(days=365)
    first = {path.name for path in fresh.archive.wal.iterdir()}

    kept = asyncio.run(expire(fresh.archive, timedelta(days=400), later))
    gone = asyncio.run(expire(fresh.archive, timedelta(days=30), later))

    assert kept == []
    assert [each.label for each in gone] == [unproven.label]
    assert [each.label for each in backups(fresh.archive)] == [good.label, newest.label]
    assert fresh.verify(backups(fresh.archive)[0]).good

    assert fresh.verify(newest).good
    asyncio.run(expire(fresh.archive, timedelta(days=30), later))
    assert [each.label for each in backups(fresh.archive)] == [newest.label]
    # What only the deleted ones needed is gone from the WAL, and what is left is enough.
    assert first - {path.name for path in fresh.archive.wal.iterdir()}
    assert fresh.verify(newest).good


@contextmanager
def small_volume(folder: Path, megabytes: int) -> Iterator[None]:
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=0711", "small", str(folder)],
        check=True,
    )
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@as_root
def test_a_full_disk_makes_a_backup_fail_and_the_next_one_does(fresh: Archived) -> None:
    other = Archive(fresh.archive.folder.with_name("small"))
    other.folder.mkdir()
    with small_volume(other.folder, 60):
        other.prepare()
        # WAL goes on to the first archive, as if only the backups' disk were full.
        other.wal.rmdir()
        other.wal.symlink_to(fresh.archive.wal)
        filling = other.folder / "filling"
        with filling.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, 50 << 20)

        with pytest.raises(BackupError, match="No space left"):
            asyncio.run(take(fresh.primary.dsn, other))

        assert backups(other) == []
        assert list(other.backups.iterdir()) == []
        filling.unlink()
        made = asyncio.run(take(fresh.primary.dsn, other))
        assert backups(other) == [made]


@as_root
def test_a_full_archive_stops_no_writes_and_catches_up_when_there_is_room(
    fresh: Archived,
) -> None:
    with small_volume(fresh.archive.folder, 4):
        fresh.archive.prepare()
        filling = fresh.archive.folder / "filling"
        with filling.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, (4 << 20) - 300_000)
        fresh.write("on a full archive")
        with pytest.raises(BackupError, match="did not arrive"):
            asyncio.run(flush(fresh.primary.dsn, fresh.archive, within=2.0))
        state = asyncio.run(archiving(fresh.primary.dsn))
        assert state.failures > 0
        assert not list(fresh.archive.wal.glob(".*"))
        fresh.write("still taken")

        filling.unlink()
        # PostgreSQL waits up to a minute after three failures, unless something new asks it.
        asyncio.run(flush(fresh.primary.dsn, fresh.archive, within=90.0))


def test_a_piece_of_wal_is_kept_whole_once_and_never_replaced(shared: Archived) -> None:
    folder = shared.archive.wal
    source = shared.primary.folder / "piece"
    port = shared.primary.archive_command.partition("/dev/tcp/127.0.0.1/")[2].partition(" ")[0]

    def keep(name: str, by: str = port) -> int:
        command = shipping.command(int(by), "a").replace("%p", str(source)).replace("%f", name)
        asked = ["sh", "-c", command.replace("%%", "%")]
        return subprocess.run(asked, check=False, capture_output=True).returncode

    piece = "0" * 8 + "F" * 16
    source.write_bytes(b"wal\0\n" * 200_000)
    assert [keep(piece), keep(piece)] == [0, 0]
    assert (folder / piece).read_bytes() == source.read_bytes()

    source.write_bytes(b"other")
    assert keep(piece) != 0
    assert (folder / piece).read_bytes() == b"wal\0\n" * 200_000
    for name in ("../piece", "piece", ".hidden"):
        assert keep(name) != 0
    assert keep(piece[::-1], by="1") != 0
    source.unlink()
    assert keep(piece[::-1]) != 0
    names = {each.name for each in folder.iterdir()}
    assert piece in names
    assert not {name for name in names if name in (piece[::-1], "piece") or name[0] == "."}


def test_a_piece_that_is_sent_again_meanwhile_is_still_whole(shared: Archived) -> None:
    """A sender that has waited too long sends the same piece once more."""
    name, content = "A" * 24, bytes(range(256)) * 16_384
    port = shared.primary.archive_command.partition("/dev/tcp/127.0.0.1/")[2].partition(" ")[0]
    source = shared.primary.folder / "again"
    source.write_bytes(content)
    command = shipping.command(int(port), "a").replace("%p", str(source)).replace("%f", name)
    asked = ["sh", "-c", command.replace("%%", "%")]
    senders = [subprocess.Popen(asked) for _ in range(6)]
    assert [each.wait(60) for each in senders] == [0] * 6
    assert (shared.archive.wal / name).read_bytes() == content
    assert not list(shared.archive.wal.glob(".*"))
    (shared.archive.wal / name).unlink()


def test_a_sender_that_goes_away_leaves_nothing(shared: Archived) -> None:
    port = shared.primary.archive_command.partition("/dev/tcp/127.0.0.1/")[2].partition(" ")[0]
    with socket.create_connection(("127.0.0.1", int(port)), 5) as sender:
        sender.sendall(f"PUT /wal/{'B' * 24} HTTP/1.1\r\nHost: a\r\n".encode())
        sender.sendall(b"Content-Length: 1000\r\n\r\nhalf")
    shared.take()  # the archive goes on
    assert not (shared.archive.wal / ("B" * 24)).exists()
    assert "Traceback" not in (shared.archive.folder.parent / "archive.log").read_text()
