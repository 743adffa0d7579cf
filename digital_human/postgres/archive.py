"""The folder, in the other region, where WAL is archived as it is written, and backups lie."""

from __future__ import annotations

import asyncio
import fcntl
import os
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from digital_human.postgres import sql
from digital_human.postgres.binaries import Binaries, find
from digital_human.postgres.errors import BackupError

POLL_S = 0.05
_STATE = """
select last_archived_wal, last_archived_time, failed_count, last_failed_time
from pg_stat_archiver
"""


@dataclass(frozen=True, slots=True)
class Archiving:
    """How a primary gets on with archiving, as it counts itself."""

    last: str | None
    last_at: datetime | None
    failures: int
    last_failure_at: datetime | None


@dataclass(frozen=True, slots=True)
class Archive:
    """An archive in `folder`: `wal` has the pieces of WAL, `backups` a folder for each backup."""

    folder: Path
    binaries: Binaries = field(default_factory=find)

    @property
    def wal(self) -> Path:
        """Pieces of WAL by name."""
        return self.folder / "wal"

    @property
    def backups(self) -> Path:
        """Finished backups by label; names that begin with a dot aren't finished."""
        return self.folder / "backups"

    def prepare(self) -> None:
        """Make the folders that aren't there. Raises `Unfit` if PostgreSQL can't get to them."""
        self.folder.mkdir(mode=0o711, parents=True, exist_ok=True)
        self.binaries.check_reach(self.folder)
        for folder in (self.wal, self.backups):
            self.binaries.make_folder(folder)

    def keep(self, name: str, content: bytes) -> None:
        """Keep a piece of WAL: afterwards it is there whole and flushed, or not at all.

        One that is there already is fine if it is the same, as after a crash PostgreSQL asks again;
        another by that name is never replaced. Raises `BackupError` for such a one, and `OSError`.
        One at a time.
        """
        piece, draft = self.wal / name, self.wal / f".{name}.part"
        if not piece.exists():
            self._write(draft, content)
            draft.rename(piece)
        elif piece.read_bytes() != content:
            raise BackupError(f"another {name} is in {self.wal} already")
        folder = os.open(self.wal, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _write(self, draft: Path, content: bytes) -> None:
        try:
            with draft.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            self.binaries.own(draft)
        except OSError:
            draft.unlink(missing_ok=True)  # what is left of it would keep a full disk full
            raise

    def restore_command(self) -> str:
        """What brings a piece of WAL back; a failure tells the server that there is none."""
        return f"cp {_shell(str(self.wal))}/%f %p"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the archive while its backups change.

        Raises `BackupError` if somebody else does, and for what the disk refuses meanwhile.
        """
        try:
            handle = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise BackupError(f"the archive can't be used: {error}") from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
        except BlockingIOError:
            raise BackupError(f"another backup to {self.folder} is under way") from None
        except OSError as error:
            raise BackupError(f"the archive can't be changed: {error}") from error
        finally:
            os.close(handle)


async def flush(dsn: str, archive: Archive, *, within: float = 30.0) -> str:
    """Return once all that the primary has written is in the archive; the last piece's name.

    Writes a commit of its own at the end, so that a restore up to this moment finds where to stop.
    Raises `BackupError` if the piece does not arrive in time, else `PostgresError`.
    """
    beat = (
        "insert into public.heartbeat (name, written_at) values ('archive', clock_timestamp()) "
        "on conflict (name) do update set written_at = excluded.written_at"
    )
    async with sql.connected(dsn, within) as connection:
        await connection.execute(beat)
        cursor = await connection.execute("select pg_walfile_name(pg_switch_wal())")
        (name,) = await cursor.fetchone()
    await arrival(archive, str(name), within)
    return str(name)


async def arrival(archive: Archive, name: str, within: float) -> None:
    """Return once a piece of WAL is in the archive. Raises `BackupError` if that takes too long."""
    try:
        async with asyncio.timeout(within):
            while not (archive.wal / name).exists():  # noqa: ASYNC110 - another process makes it
                await asyncio.sleep(POLL_S)
    except TimeoutError:
        raise BackupError(
            f"WAL {name} did not arrive in {archive.wal} within {within:g} s; "
            "the server's log says why, most often a full disk"
        ) from None


async def archiving(dsn: str, within: float = 2.0) -> Archiving:
    """How the primary at `dsn` gets on with archiving. Raises `PostgresError`."""
    [(last, last_at, failures, failure_at)] = await sql.rows(dsn, _STATE, within=within)
    return Archiving(last, last_at, failures, failure_at)


def _shell(word: str) -> str:
    """A word as PostgreSQL hands it to a shell: it replaces what follows a per cent sign."""
    return shlex.quote(word).replace("%", "%%")
