"""The controller's backups: full ones on schedule, each verified by restoring it, old ones let go.

The log is archived all the time by the primary itself; where both lie is the other region's. What
is read of a primary comes over the controller's link to it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

from digital_human.custody import Custody
from digital_human.events import Events, Kind, Subject
from digital_human.ports import Ports
from digital_human.postgres.archive import Archive, flush
from digital_human.postgres.backup import Backup, backups, choose, expire, take
from digital_human.postgres.errors import BackupError, PostgresError
from digital_human.postgres.restore import restored
from digital_human.postgres.server import Server
from digital_human.postgres.verification import verify
from digital_human.settings import BackupSettings

PROBLEM = "backup"
SCRATCH = "restored"


class BackupKeeper:
    """Takes, verifies, lists and restores backups. Belongs to one event loop."""

    def __init__(
        self,
        custody: Custody,
        ways: Mapping[str, str],
        settings: BackupSettings,
        events: Events,
    ) -> None:
        self._custody = custody
        self._ways = ways
        self._settings = settings
        self._events = events
        self._ports = Ports()
        self._port = self._ports.reserve()
        self._scratch = self._ports.reserve()
        self._one = asyncio.Lock()
        self._restored = AsyncExitStack()

    async def run(self) -> None:
        """Back up for ever; what goes wrong is an event, and the next one is tried in its time."""
        while self._settings.enabled:
            try:
                await self.take()
            except PostgresError as error:
                self._tell(Kind.BACKUP_FAILED, str(error))
            await asyncio.sleep(self._settings.every)

    async def take(self) -> dict[str, Any]:
        """Back the primary up, restore that to see what it is worth, and drop what is too old.

        Raises `PostgresError`.
        """
        async with self._one:
            name = self._custody.primary
            archive = self._custody.estate.archive(name)
            made = await take(self._ways[name], archive)
            self._tell(Kind.BACKED_UP, f"{made.label}, {made.size_bytes:,} bytes")
            scratch = self._server("verifying", self._scratch)
            found = await verify(made, archive, scratch)
            if found.problems:
                self._tell(Kind.BACKUP_FAILED, f"{made.label}: {'; '.join(found.problems)}")
            else:
                self._tell(Kind.BACKUP_VERIFIED, f"{made.label} in {found.seconds:.2f} s")
            keep = timedelta(seconds=self._settings.retention)
            await expire(archive, keep, datetime.now(UTC))
            return {**_told(made), "good": not found.problems, "problems": list(found.problems)}

    def list(self) -> list[Mapping[str, Any]]:
        """What there is of the present primary, oldest first."""
        return [
            _told(each) for each in backups(self._custody.estate.archive(self._custody.primary))
        ]

    async def restore(self, until: datetime | None) -> dict[str, Any]:
        """Run a scratch server with what was committed up to a moment; one that ran before ends.

        A living primary is asked for its last piece of log first; of a dead one the archive has
        what it has, and `unflushed` says why that may not be all. Raises `PostgresError`, also
        where the archive ends before the moment.
        """
        async with self._one:
            await self._restored.aclose()
            name = self._custody.primary
            archive = self._custody.estate.archive(name)
            unflushed = await self._flushed(name, archive)
            chosen = choose(archive, until)
            scratch = self._server(SCRATCH, self._port)
            try:
                server = await self._restored.enter_async_context(
                    restored(chosen, archive, scratch, until=until)
                )
            except BackupError as error:
                raise BackupError(f"{error}{'; ' if unflushed else ''}{unflushed}") from error
            moment = None if until is None else until.isoformat()
            told = {"dsn": server.dsn, "backup": chosen.label, "until": moment}
            return told | ({"unflushed": unflushed} if unflushed else {})

    async def _flushed(self, name: str, archive: Archive) -> str:
        """Have the primary archive all that it wrote; why that can't be, or ""."""
        try:
            await flush(self._ways[name], archive)
        except PostgresError as error:
            return f"{name} could not archive its last piece of log: {error}"
        return ""

    async def drop(self) -> None:
        """End the scratch server, if there is one."""
        async with self._one:
            await self._restored.aclose()

    async def close(self) -> None:
        """End what runs, and give the ports back."""
        await self._restored.aclose()
        self._ports.release()

    def _server(self, name: str, port: int) -> Server:
        return Server(name, self._custody.estate.data / name, port)

    def _tell(self, kind: Kind, detail: str) -> None:
        self._events.emit(kind, Subject(PROBLEM, self._custody.primary), detail)


def _told(backup: Backup) -> dict[str, Any]:
    return {
        "label": backup.label,
        "finished": backup.finished.isoformat(),
        "size_bytes": backup.size_bytes,
        "good": backup.good,
    }
