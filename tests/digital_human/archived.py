"""A running primary that archives its WAL, and what tests do with it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime

from digital_human.ports import Ports
from digital_human.postgres import shipping, sql
from digital_human.postgres.archive import Archive, flush
from digital_human.postgres.backup import Backup, choose, take
from digital_human.postgres.restore import restored
from digital_human.postgres.server import Server
from digital_human.postgres.verification import Verification, verify
from tests.postgres import Running, server, servers


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
        port = running.start_archive(archive, folder, ports)
        command = shipping.command(port, "a")
        primary = replace(server(folder, ports), archive_command=command, archive_timeout=1)
        asyncio.run(primary.initialise())
        running.start(primary)
        yield Archived(primary, archive, running, ports)
