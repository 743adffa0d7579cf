"""What is restored from backups of the platform's database, with real servers."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from digital_human.ports import LOOPBACK
from digital_human.postgres import failover, replication, sql
from digital_human.postgres.errors import BackupError
from tests.digital_human.archived import Archived, archived
from tests.postgres import below, until

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "digital_human.postgres"]


@pytest.fixture(scope="module")
def shared() -> Iterator[Archived]:
    with archived() as made:
        yield made


@pytest.fixture
def fresh() -> Iterator[Archived]:
    with archived() as made:
        yield made


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


def test_a_restore_follows_the_database_over_a_fail_over(fresh: Archived) -> None:
    fresh.take()
    fresh.write("on a")
    standby = replace(fresh.primary, folder=fresh.primary.folder.with_name("b"), name="b")
    standby = replace(standby, port=fresh.ports.reserve())
    asyncio.run(standby.clone(LOOPBACK, fresh.primary.port, "b"))
    fresh.running.start(standby)
    asyncio.run(replication.streams(fresh.primary.dsn, "b", 20.0))
    fresh.running.kill(standby)
    fresh.write("on a alone")
    fresh.flush()
    asyncio.run(failover.fence(fresh.primary, "a test"))
    fresh.running.start(standby)
    asyncio.run(failover.promote(standby))
    before = asyncio.run(sql.value(standby.dsn, "select clock_timestamp()"))
    after = replace(fresh, primary=standby)
    after.write("on b")
    after.flush()

    # What only the old primary had is not in the history that went on.
    assert after.notes_at(before) == {"on a"}
    assert after.notes_at(None) == {"on a", "on b"}
    backup = after.take()
    assert after.verify(backup).problems == ()


def test_a_moment_that_the_archive_does_not_reach_is_told(shared: Archived) -> None:
    shared.take()
    with pytest.raises(BackupError, match="the archive ends before"):
        shared.notes_at(datetime.now(UTC) + timedelta(hours=1))


def test_a_moment_before_the_first_backup_is_told(shared: Archived) -> None:
    shared.take()
    with pytest.raises(BackupError, match="no backup that was finished by"):
        shared.notes_at(datetime.now(UTC) - timedelta(days=1))


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
