"""A backup brought back to life in a scratch server, as of a moment."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from digital_human.postgres.archive import Archive
from digital_human.postgres.backup import Backup
from digital_human.postgres.configuration import assigned
from digital_human.postgres.errors import BackupError, PostgresError, SqlFailed, Unreachable
from digital_human.postgres.server import Server
from digital_human.processes import spawn

POLL_S = 0.05
TAIL_BYTES = 2_000


@asynccontextmanager
async def restored(
    backup: Backup,
    archive: Archive,
    into: Server,
    *,
    until: datetime | None = None,
    within: float = 120.0,
) -> AsyncIterator[Server]:
    """A running server that holds exactly what was committed up to `until`, by the primary's clock.

    Without `until`, what the archive has. The server takes writes, archives nothing, and is gone
    at the end, its folder too. The archive must reach beyond `until`: `archive.flush` sees to it
    while the primary lives. Raises `BackupError` if it doesn't, or if the backup can't be restored.

    The server dies with the thread that this is used in, so that should be the main one.
    """
    target = {}
    if until is not None:
        if until < backup.finished:
            raise BackupError(
                f"{until.isoformat()} is before {backup.label} was finished: take an older backup"
            )
        target = {"recovery_target_time": f"{until.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f+00}"}
    async with _running(backup, archive, into, target, within) as server:
        yield server


@asynccontextmanager
async def restored_to_moment(
    backup: Backup, archive: Archive, into: Server, *, within: float = 120.0
) -> AsyncIterator[Server]:
    """The same as of the moment whose contents the backup's description knows."""
    async with _running(
        backup, archive, into, {"recovery_target_name": backup.label}, within
    ) as server:
        yield server


@asynccontextmanager
async def _running(
    backup: Backup, archive: Archive, into: Server, target: Mapping[str, str], within: float
) -> AsyncIterator[Server]:
    if into.folder.exists():
        raise BackupError(f"{into.folder} exists already: a restore needs a folder of its own")
    process: subprocess.Popen[bytes] | None = None
    try:
        try:
            async with asyncio.timeout(within):
                await _lay_out(backup, archive, into, target)
                process = spawn(into.command(), env=os.environ, log=into.log)
                await _recovered(into, process)
        except TimeoutError:
            raise BackupError(f"{backup.label} was not restored within {within:g} s") from None
        except (PostgresError, OSError) as error:
            raise BackupError(f"{backup.label} can't be restored: {error}") from error
        yield into
    finally:
        if process is not None:
            process.kill()
            process.wait()
            await into.vacate()
        shutil.rmtree(into.folder, ignore_errors=True)


async def _lay_out(
    backup: Backup, archive: Archive, into: Server, target: Mapping[str, str]
) -> None:
    into.prepare()
    copy = shutil.which("cp") or "cp"
    arguments = ["-a", str(backup.data), str(into.data)]
    await into.binaries.run(copy, *arguments, home=into.folder, within=600.0)
    into.configure()
    recovery = {
        "restore_command": archive.restore_command(),
        "recovery_target_action": "promote",
        **target,
    }
    into.binaries.write(into.data / "postgresql.auto.conf", assigned(recovery))
    into.binaries.write(into.data / "recovery.signal", "")


async def _recovered(server: Server, process: subprocess.Popen[bytes]) -> None:
    while True:
        if process.poll() is not None:
            raise BackupError(_why(server))
        try:
            if await server.is_primary():
                return
        except (Unreachable, SqlFailed):
            pass
        await asyncio.sleep(POLL_S)


def _why(server: Server) -> str:
    words = server.log.read_text(errors="replace")[-TAIL_BYTES:].strip()
    if "recovery ended before configured recovery target was reached" in words:
        return "the archive ends before the moment that was asked for"
    return f"the server ended: {words}"
