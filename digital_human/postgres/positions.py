"""Positions in the write-ahead log: where a server ended, and whether a standby has got so far."""

from __future__ import annotations

import re

from digital_human.postgres import sql
from digital_human.postgres.errors import CommandFailed
from digital_human.postgres.server import Server

_CHECKPOINT = re.compile(r"^Latest checkpoint location: +([0-9A-F]+/[0-9A-F]+)$", re.MULTILINE)
_ENDED = re.compile(r"^Database cluster state: +shut down(?: in recovery)?$", re.MULTILINE)


async def end_of(server: Server) -> str:
    """Where a server that was shut down in good order ended: its last checkpoint.

    Raises `CommandFailed`, also where it wasn't shut down.
    """
    told = await server.binaries.run("pg_controldata", str(server.data), home=server.folder)
    found = _CHECKPOINT.search(told)
    if found is None or _ENDED.search(told) is None:
        raise CommandFailed(f"{server.name} was not shut down in good order")
    return found[1]


async def has_received(dsn: str, position: str, within: float = 2.0) -> bool:
    """Whether a standby has the log beyond `position`. Raises `PostgresError`."""
    question = "select coalesce(pg_last_wal_receive_lsn() > %s::pg_lsn, false)"
    return bool(await sql.value(dsn, question, [position], within))
