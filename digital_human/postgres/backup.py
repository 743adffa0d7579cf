"""Full backups: taking them, listing them, and letting old ones go.

A backup is a folder with `data`, as `pg_basebackup` wrote it, and `backup.json`, which says when,
from where to where in the WAL, and what the tables held at a restore point set right after it.
`verified.json` beside it has the outcome of the last verification. It is put together under a name
that begins with a dot and gets its own as the last step: what has a label is whole.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from digital_human.postgres.archive import Archive, arrival, flush
from digital_human.postgres.contents import Fingerprint, Moment, mark
from digital_human.postgres.errors import BackupError, PostgresError

ARRIVAL_PATIENCE_S = 60.0
_START = re.compile(r"START WAL LOCATION: (\S+) \(file ([0-9A-F]{24})\)")


@dataclass(frozen=True, slots=True)
class Backup:
    """A finished backup. `started` and `finished` are by this host's clock, in UTC.

    It can be restored to any moment from `finished` on. `good` is what its last verification
    found, `None` before the first.
    """

    label: str
    folder: Path
    started: datetime
    finished: datetime
    start_lsn: str
    first_wal: str
    moment: Moment
    size_bytes: int
    good: bool | None = None

    @property
    def data(self) -> Path:
        """The server's files."""
        return self.folder / "data"

    def to_json(self) -> dict[str, Any]:
        """As `backup.json` has it."""
        found = asdict(self)
        del found["folder"], found["good"]
        return found | {
            "started": self.started.isoformat(),
            "finished": self.finished.isoformat(),
        }


async def take(dsn: str, archive: Archive, *, within: float = 300.0) -> Backup:
    """Back up the primary at `dsn`; the WAL that belongs to it is in the archive afterwards.

    Raises `BackupError`; nothing is left of it then.
    """
    with archive.locked():
        _sweep(archive)
        started = datetime.now(UTC)
        label = started.strftime("%Y%m%dT%H%M%S.%fZ")
        draft = archive.backups / f".{label}"
        try:
            archive.binaries.make_folder(draft)
            await _copy(dsn, archive, draft / "data", within)
            moment = await mark(dsn, label)
            await flush(dsn, archive, within=min(within, ARRIVAL_PATIENCE_S))
            await arrival(archive, moment.wal, min(within, ARRIVAL_PATIENCE_S))
            return await asyncio.to_thread(_finish, archive, draft, started, moment)
        except (PostgresError, OSError) as error:
            raise BackupError(f"no backup was made: {error}") from error
        finally:
            shutil.rmtree(draft, ignore_errors=True)


def backups(archive: Archive) -> list[Backup]:
    """Every finished backup, oldest first. One whose description can't be read is left out."""
    if not archive.backups.is_dir():
        return []
    found = [_read(folder) for folder in sorted(archive.backups.iterdir()) if _labelled(folder)]
    return [backup for backup in found if backup is not None]


def choose(archive: Archive, until: datetime | None = None) -> Backup:
    """The newest backup from which `until` can be reached and that isn't known to be bad.

    Raises `BackupError` if there is none.
    """
    fit = [
        backup
        for backup in backups(archive)
        if backup.good is not False and (until is None or backup.finished <= until)
    ]
    if not fit:
        wanted = "" if until is None else f" that was finished by {until.isoformat()}"
        raise BackupError(f"{archive.folder} has no backup{wanted}")
    return fit[-1]


async def expire(archive: Archive, keep: timedelta, now: datetime) -> list[Backup]:
    """Delete backups that were finished longer than `keep` ago, and WAL that none needs any more.

    The newest backup that was verified stays, however old, and so does the newest of all; what
    was deleted is returned. Raises `BackupError`.
    """
    with archive.locked():
        there = backups(archive)
        needed = [each.label for each in there if each.good is not False][-1:]
        needed += [each.label for each in there if each.good][-1:]
        old = [each for each in there if each.label not in needed and each.finished < now - keep]
        for each in old:
            # Without its label first: a half deleted backup counts for nothing.
            gone = each.folder.rename(each.folder.with_name(f".{each.label}"))
            shutil.rmtree(gone)
        left = [each.first_wal for each in there if each not in old]
        if left:
            await archive.binaries.run(
                "pg_archivecleanup", str(archive.wal), min(left, key=_position), home=archive.wal
            )
        return old


async def _copy(dsn: str, archive: Archive, data: Path, within: float) -> None:
    await archive.binaries.run(
        "pg_basebackup",
        f"--pgdata={data}",
        f"--dbname={dsn}",
        "--checkpoint=fast",
        "--wal-method=stream",
        "--manifest-checksums=SHA256",
        home=archive.wal,
        within=within,
    )


def _finish(archive: Archive, draft: Path, started: datetime, moment: Moment) -> Backup:
    label = draft.name.removeprefix(".")
    match = _START.search((draft / "data" / "backup_label").read_text())
    if match is None:
        raise BackupError("its backup_label does not say where it starts")
    made = Backup(
        label=label,
        folder=archive.backups / label,
        started=started,
        finished=datetime.now(UTC),
        start_lsn=match[1],
        first_wal=match[2],
        moment=moment,
        size_bytes=sum(path.lstat().st_size for path in draft.rglob("*") if path.is_file()),
    )
    archive.binaries.write(draft / "backup.json", json.dumps(made.to_json(), indent=2) + "\n")
    draft.rename(made.folder)
    handle = os.open(archive.backups, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
    return made


def _read(folder: Path) -> Backup | None:
    try:
        told = json.loads((folder / "backup.json").read_text())
        moment = told.pop("moment")
        tables = {name: Fingerprint(**each) for name, each in moment.pop("tables").items()}
        return Backup(
            **told
            | {
                "started": datetime.fromisoformat(told["started"]),
                "finished": datetime.fromisoformat(told["finished"]),
            },
            folder=folder,
            good=_good(folder),
            moment=Moment(**moment, tables=tables),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _good(folder: Path) -> bool | None:
    try:
        return bool(json.loads((folder / "verified.json").read_text())["good"])
    except FileNotFoundError:
        return None


def _labelled(folder: Path) -> bool:
    return folder.is_dir() and not folder.name.startswith(".")


def _sweep(archive: Archive) -> None:
    """Remove what a backup that was killed left behind."""
    for folder in archive.backups.glob(".*"):
        shutil.rmtree(folder)


def _position(wal: str) -> str:
    """Where in the WAL a piece is; the first eight digits say only whose history it belongs to."""
    return wal[8:]
