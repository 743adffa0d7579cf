"""The steps of a fail-over, each by itself and with the time that it took.

`fence` the old primary, `promote` the standby, `verify` it, and in its own time `rejoin` the old
one as standby of the new. Every step can be repeated: one that was done already is done at once.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree

from digital_human.ports import NoFreePort
from digital_human.postgres import sql
from digital_human.postgres.errors import CommandFailed, FailoverError, PostgresError
from digital_human.postgres.occupants import occupants, vacate
from digital_human.postgres.replication import ensure_slot
from digital_human.postgres.rewind import rewind
from digital_human.postgres.server import Server, address

_BEAT = """
insert into public.heartbeat (name, written_at) values (%s, clock_timestamp())
on conflict (name) do update set written_at = excluded.written_at
returning written_at::text
"""


@dataclass(frozen=True, slots=True)
class Step:
    """One step that was done: in how many seconds, and what there is to say about it."""

    name: str
    seconds: float
    detail: str


@dataclass(frozen=True, slots=True)
class Upstream:
    """Where a standby reaches its primary, most often a proxy's address, and its slot there."""

    host: str
    port: int
    slot: str

    @property
    def dsn(self) -> str:
        """That primary, for its owner."""
        return address(self.host, self.port)


async def fence(old: Server, reason: str, *, within: float = 3.0) -> Step:
    """Make sure that the old primary takes no write any more, also if it is started again.

    Marks it, so that `Server.command` refuses; kills every process that has its data open; turns
    the data into a standby's, in case somebody starts PostgreSQL on it all the same. Raises
    `FailoverError` if a process survives, or if nothing would keep the server from coming back.
    """
    began = time.monotonic()
    marked = _attempt(lambda: _mark(old.mark, reason))
    try:
        # First, as writing to an ill disk may take for ever.
        killed = await old.vacate(within)
        turned = _attempt(lambda: old.binaries.write(old.data / "standby.signal", ""))
        # Again: one that was just starting is either seen now or becomes a standby.
        killed += await old.vacate(within)
    except PostgresError as error:
        raise FailoverError(f"{old.name} still runs: {error}") from error
    if marked and turned:
        raise FailoverError(
            f"{old.name} is dead, but nothing keeps it from coming back as a primary: "
            f"{marked}; {turned}"
        )
    told = [f"killed process {_listed(killed)}" if killed else "nothing ran"]
    told += [each for each in (marked, turned) if each]
    return Step("fence", time.monotonic() - began, "; ".join(told))


async def promote(standby: Server, *, within: float = 10.0) -> Step:
    """Make the standby the primary. Raises `FailoverError`."""
    began = time.monotonic()
    try:
        if await standby.is_primary(within):
            return Step("promote", time.monotonic() - began, f"{standby.name} is primary already")
        await standby.promote(within)
    except PostgresError as error:
        raise FailoverError(f"{standby.name} was not promoted: {error}") from error
    return Step("promote", time.monotonic() - began, f"{standby.name} is primary")


async def verify(dsn: str, *, within: float = 2.0) -> Step:
    """See that a database takes a write and gives it back, over two connections.

    Raises `FailoverError`: also where a commit waits in vain for a synchronous standby.
    """
    began = time.monotonic()
    try:
        written = await sql.value(dsn, _BEAT, ["verify"], within)
        query = "select written_at::text from public.heartbeat where name = 'verify'"
        found = await sql.value(dsn, query, within=within)
    except PostgresError as error:
        raise FailoverError(f"it does not take a write and give it back: {error}") from error
    if found != written:
        raise FailoverError(f"what was written at {written} reads as of {found}")
    return Step("verify", time.monotonic() - began, "a write was read back")


async def rejoin(old: Server, upstream: Upstream, *, within: float = 60.0) -> Step:
    """Make a server that is not running a standby of the primary at `upstream`.

    Its own history is rewound to where the two parted; where that can't be done, its data is
    thrown away and copied anew. The detail says which. Afterwards it is no longer fenced and may be
    started. Raises `FailoverError`; it is fenced then.
    """
    began = time.monotonic()
    if runs := [process.pid for process in occupants(old.data)]:
        raise FailoverError(f"{old.name} still runs: process {_listed(runs)}")
    await vacate(old.data, 0.0)
    try:
        _mark(old.mark, f"rejoining the primary on port {upstream.port}")
        # Before anything is copied: from now on the primary keeps what the copy will lack.
        await ensure_slot(upstream.dsn, upstream.slot)
        how = await _rewind_or_rebuild(old, upstream, within)
        old.mark.unlink()
    except (PostgresError, NoFreePort, OSError) as error:
        raise FailoverError(f"{old.name} could not rejoin its primary: {error}") from error
    return Step("rejoin", time.monotonic() - began, how)


async def _rewind_or_rebuild(old: Server, upstream: Upstream, within: float) -> str:
    # pg_rewind goes by the primary's control file, which knows the promotion from this on.
    await sql.rows(upstream.dsn, "checkpoint", within=within)
    try:
        await rewind(old, upstream.host, upstream.port, within)
    except (CommandFailed, OSError) as error:
        await old.clone(upstream.host, upstream.port, upstream.slot, within=within)
        return f"rebuilt, as it could not be rewound: {error}"
    old.configure()
    old.follow(upstream.host, upstream.port, upstream.slot)
    # Its own standbys have another primary now; their slots here would keep WAL for ever.
    for slot in (old.data / "pg_replslot").iterdir():
        rmtree(slot)
    return "rewound"


def _mark(path: Path, reason: str) -> None:
    with path.open("w") as file:
        file.write(f"{reason}\n")
        file.flush()
        os.fsync(file.fileno())
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _attempt(action: Callable[[], None]) -> str:
    """What kept an action from being done, nothing if it was."""
    try:
        action()
    except OSError as error:
        return str(error)
    return ""


def _listed(pids: list[int]) -> str:
    return ", ".join(map(str, pids))
