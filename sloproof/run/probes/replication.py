"""`replication`: how long a write takes from the primary to a standby of a PostgreSQL store.

Each sample writes a message of its own into the primary's log (`pg_logical_emit_message`, which
changes no table) and commits it; `value` is how many seconds later the standby has applied it, so
that everything committed before is visible there. It is right for a primary that nobody writes to,
too. A sample that timed out, or was `unfinished` when the run ended, says that it took longer.

Details: `no primary` (none of the copies takes the write), `promoted` (the standby is none any
more), and those of a connection: `refused`, `timeout`, `reset`, `closed`, `unreachable`,
`unresolved`, `starting`, `too many`, `denied`, `error`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from time import monotonic_ns
from typing import ClassVar

from sloproof.contracts import Probe, Sample
from sloproof.errors import EffectError
from sloproof.run.probing.postgres import Kept, failed

LOOK_S = 0.01
WRITE = "set synchronous_commit to local; select pg_logical_emit_message(true, 'sloproof', '')"
"""Committed like any other, but not held up by a standby, whose time it is to measure."""
WRITTEN = "select pg_current_wal_flush_lsn()"
APPLIED = "select pg_is_in_recovery(), pg_last_wal_replay_lsn()"


class Promoted(Exception):
    """The standby is a primary by now."""


@dataclass(slots=True)
class Waiting:
    """The writes that are awaited on the standby, each at its place in the log."""

    standby: Kept
    writes: list[tuple[int, asyncio.Future[int]]] = field(default_factory=list)
    looking: asyncio.Task[None] | None = None

    async def applied(self, place: int) -> int:
        """When the standby has applied the log up to `place`."""
        found: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.writes.append((place, found))
        if self.looking is None or self.looking.done():
            self.looking = asyncio.get_running_loop().create_task(self._look())
        try:
            return await found
        finally:
            self.writes = [(at, each) for at, each in self.writes if each is not found]

    async def _look(self) -> None:
        """One question for all that wait, as often as is exact enough, while any do."""
        while self.writes:
            try:
                [(standing_by, reached)] = await self.standby.ask(APPLIED)
                if standing_by != "t":
                    raise Promoted
            except (OSError, EOFError, EffectError, Promoted) as error:
                self._settle(error)
                return
            now, so_far = monotonic_ns(), _place(reached)
            for place, found in self.writes:
                if place <= so_far and not found.done():
                    found.set_result(now)
            await asyncio.sleep(LOOK_S)

    def _settle(self, error: Exception) -> None:
        for _, found in self.writes:
            if not found.done():
                found.set_exception(error)


@dataclass(frozen=True, kw_only=True)
class Replication(Probe):
    """Writes on whichever of `copies` is the primary and waits for it at `standby`, all dsns."""

    kind: ClassVar[str] = "replication"
    overlaps: ClassVar[bool] = True
    waits: ClassVar[bool] = True

    copies: Sequence[str]
    standby: str

    @cached_property
    def _others(self) -> list[Kept]:
        """The one that took the last write comes first."""
        return [Kept(dsn) for dsn in self.copies if dsn != self.standby]

    @cached_property
    def _waiting(self) -> Waiting:
        return Waiting(Kept(self.standby))

    @cached_property
    def _turn(self) -> asyncio.Lock:
        return asyncio.Lock()

    async def sample(self) -> Sample:
        """One write, from its commit until it is visible."""
        async with self._turn:
            written = await self._write()
        if written is None:
            return Sample(ok=False, detail="no primary")
        place, committed = written
        try:
            visible = await self._waiting.applied(place)
        except Promoted:
            return Sample(ok=False, detail="promoted")
        except (OSError, EOFError, EffectError) as error:
            return failed(error)
        return Sample(ok=True, value=max(0, visible - committed) / 1e9)

    async def _write(self) -> tuple[int, int] | None:
        """Where in the log the write ends and when it was committed; None where nobody takes it."""
        for server in list(self._others):
            with suppress(OSError, EOFError, EffectError):
                await server.ask(WRITE)
                committed = monotonic_ns()
                [(place,)] = await server.ask(WRITTEN)
                self._others.remove(server)
                self._others.insert(0, server)
                return _place(place), committed
        return None

    async def close(self) -> None:
        """Hang up."""
        if self._waiting.looking is not None:
            self._waiting.looking.cancel()
        for server in (*self._others, self._waiting.standby):
            server.close()


def _place(text: str | None) -> int:
    """A place in the log, written as two hexadecimal halves."""
    high, _, low = (text or "0/0").partition("/")
    return (int(high, 16) << 32) + int(low, 16)
