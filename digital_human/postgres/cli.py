"""The command line: `python -m digital_human.postgres backup | backups | verify | restore`."""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from digital_human.ports import NoFreePort, Ports
from digital_human.postgres.archive import Archive, flush
from digital_human.postgres.backup import Backup, backups, choose, expire, take
from digital_human.postgres.errors import BackupError, PostgresError
from digital_human.postgres.place import place
from digital_human.postgres.restore import restored
from digital_human.postgres.server import Server
from digital_human.postgres.verification import verify

OK = 0
FAILED = 1
SCRATCH = "/var/tmp"  # noqa: S108 - tempfile makes a folder there that is only ours


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and give its exit status: 0 done (and good), 1 failed, 2 usage."""
    options = _parser().parse_args(arguments)
    try:
        return asyncio.run(_until_signalled(options))
    except (PostgresError, NoFreePort, OSError) as error:
        sys.stderr.write(f"postgres: {error}\n")
        return FAILED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m digital_human.postgres", description="Backups of the platform's database."
    )
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--archive", type=Path, required=True, help="the folder of the archive")
    commands = parser.add_subparsers(dest="command", required=True)
    backup = commands.add_parser("backup", parents=[shared], help="take a full backup")
    backup.add_argument("--dsn", required=True, help="the primary")
    backup.add_argument("--keep-days", type=_days, help="then delete backups older than that")
    commands.add_parser("backups", parents=[shared], help="list the backups, a JSON line each")
    verification = commands.add_parser(
        "verify", parents=[shared], help="restore a backup and compare what is in it"
    )
    verification.add_argument("label", nargs="?", help="which (default: the newest)")
    restore = commands.add_parser(
        "restore",
        parents=[shared],
        help="run a server with what was committed up to a moment, until SIGTERM or SIGINT",
    )
    restore.add_argument("--until", type=_moment, help="ISO 8601; UTC unless it says otherwise")
    restore.add_argument("--dsn", help="the primary, if it lives: its last writes come along")
    return parser


async def _until_signalled(options: argparse.Namespace) -> int:
    """Run the command; a signal takes back what is half done, and is how a restore ends."""
    doing = {"backup": _backup, "backups": _backups, "verify": _verify, "restore": _restore}
    command = asyncio.ensure_future(doing[options.command](options))
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, command.cancel)
    try:
        return await command
    except asyncio.CancelledError:
        return OK if options.command == "restore" else FAILED


async def _backup(options: argparse.Namespace) -> int:
    archive = Archive(options.archive.absolute())
    made = await take(options.dsn, archive)
    gone: list[Backup] = []
    if options.keep_days is not None:
        gone = await expire(archive, options.keep_days, datetime.now(UTC))
    _tell(_line(made) | {"expired": [each.label for each in gone]})
    return OK


async def _backups(options: argparse.Namespace) -> int:
    for each in backups(Archive(options.archive.absolute())):
        _tell(_line(each))
    return OK


async def _verify(options: argparse.Namespace) -> int:
    archive = Archive(options.archive.absolute())
    there = backups(archive)
    chosen = [each for each in there if options.label in {None, each.label}]
    if not chosen:
        raise BackupError(f"{archive.folder} has no backup {options.label or ''}".rstrip())
    async with _scratch(archive) as scratch:
        found = await verify(chosen[-1], archive, scratch)
    _tell({"label": found.label, "good": found.good, "problems": found.problems})
    return OK if found.good else FAILED


async def _restore(options: argparse.Namespace) -> int:
    archive = Archive(options.archive.absolute())
    if options.dsn is not None:
        await flush(options.dsn, archive)
    chosen = choose(archive, options.until)
    async with (
        _scratch(archive) as scratch,
        restored(chosen, archive, scratch, until=options.until) as server,
    ):
        _tell({"dsn": server.dsn, "backup": chosen.label, "until": _iso(options.until)})
        await asyncio.Event().wait()
    return OK


@asynccontextmanager
async def _scratch(archive: Archive) -> AsyncIterator[Server]:
    """A server that isn't there yet, in a folder that goes with it."""
    ports = Ports()
    with tempfile.TemporaryDirectory(prefix="digital-human-restore-", dir=SCRATCH) as name:
        folder = place(Path(name), archive.binaries)
        try:
            yield Server("restored", folder / "server", ports.reserve(), binaries=archive.binaries)
        finally:
            ports.release()


def _line(backup: Backup) -> dict[str, Any]:
    return {
        "label": backup.label,
        "finished": backup.finished.isoformat(),
        "lsn": backup.moment.lsn,
        "size_bytes": backup.size_bytes,
        "rows": sum(table.rows for table in backup.moment.tables.values()),
        "good": backup.good,
    }


def _tell(content: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(content) + "\n")
    sys.stdout.flush()


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment is not None else None


def _moment(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no time such as 2026-11-26T03:00:00Z"
        ) from None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def _days(text: str) -> timedelta:
    try:
        days = float(text)
        if days < 0:
            raise ValueError
        return timedelta(days=days)
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of days") from None
