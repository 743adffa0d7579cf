"""Backups of the platform's database and what can be restored from them, with real servers."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from digital_human.ports import Ports
from digital_human.postgres import sql
from digital_human.postgres.archive import Archive, archiving, flush
from digital_human.postgres.backup import Backup, backups, choose, expire, take
from digital_human.postgres.binaries import find
from digital_human.postgres.contents import contents
from digital_human.postgres.errors import BackupError
from digital_human.postgres.restore import restored
from digital_human.postgres.server import Server
from digital_human.postgres.verification import Verification, verify
from tests.postgres import Running, below, server, servers, until

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "digital_human.postgres"]
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small volume")


@dataclass(frozen=True)
class Archived:
    """A running primary that archives."""

    primary: Server
    archive: Archive
    running: Running
    ports: Ports

    def write(self, *names: str) -> None:
        for name in names:
            query = "insert into notes (id, text) values (%s, '')"
            asyncio.run(sql.rows(self.primary.dsn, query, [name]))

    def now(self) -> datetime:
        found: datetime = asyncio.run(sql.value(self.primary.dsn, "select clock_timestamp()"))
        return found

    def take(self) -> Backup:
        return asyncio.run(take(self.primary.dsn, self.archive))

    def flush(self) -> None:
        asyncio.run(flush(self.primary.dsn, self.archive))

    def scratch(self) -> Server:
        return server(self.archive.folder, self.ports, "scratch")

    def verify(self, backup: Backup) -> Verification:
        return asyncio.run(verify(backup, self.archive, self.scratch()))

    def notes_at(self, moment: datetime | None) -> set[str]:
        """The notes in a server restored to that moment."""

        async def ask() -> set[str]:
            backup = choose(self.archive, moment)
            async with restored(backup, self.archive, self.scratch(), until=moment) as there:
                return {name for (name,) in await sql.rows(there.dsn, "select id from notes")}

        return asyncio.run(ask())


@contextmanager
def archived() -> Iterator[Archived]:
    with servers() as (folder, ports, running):
        archive = Archive(folder / "other region")
        archive.prepare()
        primary = replace(
            server(folder, ports), archive_command=archive.command(), archive_timeout=1
        )
        asyncio.run(primary.initialise())
        running.start(primary)
        yield Archived(primary, archive, running, ports)


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


def test_a_restore_to_a_moment_holds_exactly_what_was_committed_by_then(shared: Archived) -> None:
    shared.write("before the backup")
    shared.take()
    shared.write("before 1", "before 2")
    moment = shared.now()
    shared.write("after 1")
    shared.flush()

    found = shared.notes_at(moment)

    assert {"before the backup", "before 1", "before 2"} <= found
    assert "after 1" not in found
    assert "after 1" in shared.notes_at(None)


def test_a_moment_amid_writes_parts_those_acknowledged_before_from_those_sent_after(
    shared: Archived,
) -> None:
    sent: dict[str, datetime] = {}
    acknowledged: dict[str, datetime] = {}
    stop = threading.Event()

    def keep_writing() -> None:
        with psycopg.connect(shared.primary.dsn, autocommit=True) as connection:
            for number in range(100_000):
                name = f"amid {number}"
                sent[name] = datetime.now(UTC)
                connection.execute("insert into notes (id, text) values (%s, '')", [name])
                acknowledged[name] = datetime.now(UTC)
                if stop.is_set():
                    return

    writer = threading.Thread(target=keep_writing)
    writer.start()
    try:
        # Writers wait while the backup reads, and go on afterwards.
        backup = shared.take()
        done = len(acknowledged)
        until(lambda: len(acknowledged) > done + 100, "the writer did not go on")
        moment = datetime.now(UTC)
        until(lambda: len(acknowledged) > done + 200, "the writer did not go on")
    finally:
        stop.set()
        writer.join(30)
    shared.flush()

    assert shared.verify(backup).problems == ()
    found = {name for name in shared.notes_at(moment) if name.startswith("amid")}
    assert {name for name, at in acknowledged.items() if at < moment} <= found
    assert found <= {name for name, at in sent.items() if at <= moment}


def test_a_moment_that_the_archive_does_not_reach_is_told(shared: Archived) -> None:
    shared.take()
    with pytest.raises(BackupError, match="the archive ends before"):
        shared.notes_at(datetime.now(UTC) + timedelta(hours=1))


def test_a_moment_before_the_first_backup_is_told(shared: Archived) -> None:
    shared.take()
    with pytest.raises(BackupError, match="no backup that was finished by"):
        shared.notes_at(datetime.now(UTC) - timedelta(days=1))


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


def test_a_piece_of_wal_is_kept_whole_once_and_never_replaced(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "it's 100% off-site", binaries=replace(find(), account=None))
    archive.prepare()
    source, target = tmp_path / "piece", archive.wal / "piece"

    def keep() -> int:
        command = archive.command().replace("%p", str(source)).replace("%f", "piece")
        asked = ["sh", "-c", command.replace("%%", "%")]
        return subprocess.run(asked, check=False, capture_output=True).returncode

    source.write_bytes(b"wal" * 1_000)
    assert [keep(), keep()] == [0, 0]
    assert target.read_bytes() == source.read_bytes()
    assert list(archive.wal.iterdir()) == [target]

    source.write_bytes(b"other")
    assert keep() != 0
    assert target.read_bytes() == b"wal" * 1_000

    source.unlink()
    target.unlink()
    assert keep() != 0
    assert list(archive.wal.iterdir()) == []


def command(archive: Path, name: str, *arguments: str) -> list[str]:
    return [*COMMAND, name, "--archive", str(archive), *arguments]


def run(archive: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(archive, *arguments),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_command_line_backs_up_lists_verifies_and_restores(fresh: Archived) -> None:
    archive, dsn = fresh.archive.folder, fresh.primary.dsn
    fresh.write("before")
    made = run(archive, "backup", "--dsn", dsn, "--keep-days", "30")
    assert made.returncode == 0, made.stderr
    label = json.loads(made.stdout)["label"]
    assert json.loads(run(archive, "backups").stdout)["label"] == label
    assert run(archive, "verify", label).returncode == 0
    assert json.loads(run(archive, "backups").stdout)["good"] is True
    moment = fresh.now().isoformat()
    fresh.write("after")

    restore = subprocess.Popen(
        command(archive, "restore", "--dsn", dsn, "--until", moment),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert restore.stdout is not None
    try:
        told = json.loads(restore.stdout.readline())
        assert asyncio.run(sql.rows(told["dsn"], "select id from notes")) == [("before",)]
    finally:
        restore.send_signal(signal.SIGTERM)
        assert restore.wait(30) == 0
        restore.stdout.close()
    assert not any(Path("/var/tmp").glob("digital-human-restore-*"))


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["verify"], 1, "has no backup"),
        (["restore"], 1, "has no backup"),
        (["restore", "--until", "soon"], 2, "no time such as"),
        (["backup", "--dsn", "port=1", "--keep-days", "-1"], 2, "no number of days"),
        (["verify", "nothing"], 1, "has no backup nothing"),
    ],
)
def test_what_can_not_be_done_is_told(
    tmp_path: Path, arguments: list[str], status: int, words: str
) -> None:
    done = run(tmp_path, *arguments)
    assert (done.returncode, words in done.stderr) == (status, True), done.stderr


def test_a_scratch_server_is_gone_afterwards(shared: Archived) -> None:
    shared.take()
    shared.notes_at(None)
    assert not below(shared.archive.folder)
    assert not (shared.archive.folder / "scratch").exists()
