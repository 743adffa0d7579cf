"""The copies of the store as dialogue uses them: writes to the primary, reads from a standby."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar

import psycopg
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from digital_human.call_log import CallLog
from digital_human.roles import Roles
from digital_human.settings import DatabaseSettings
from digital_human.topology import STORE
from digital_human.web import Unavailable

T = TypeVar("T")
Pool = AsyncConnectionPool[psycopg.AsyncConnection[TupleRow]]
RECONNECT_S = 2.0
"""A pool that found nobody for so long asks again when it is next used."""


class StoreUnavailable(Unavailable):
    """No copy did in time what it was asked; a write may have been done all the same."""


class Stores:
    """Connections to every copy. Belongs to one event loop."""

    def __init__(
        self,
        addresses: Mapping[str, str],
        roles: Roles,
        settings: DatabaseSettings,
        calls: CallLog,
    ) -> None:
        self._calls = calls
        self._addresses = dict(addresses)
        self._timeout = settings.timeout
        self._pools: dict[str, Pool] = {
            name: _pool(address, settings) for name, address in addresses.items()
        }
        self.roles = roles
        self._late: set[asyncio.Task[Any]] = set()

    async def __aenter__(self) -> Stores:
        for pool in self._pools.values():
            await pool.open(wait=False)
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._late:
            task.cancel()
        await asyncio.gather(*(pool.close(timeout=0.5) for pool in self._pools.values()))

    def point(self, roles: Roles) -> bool:
        """Take another primary; False where what is known is as new."""
        if roles.epoch <= self.roles.epoch or roles.primary not in self._pools:
            return False
        self.roles = roles
        return True

    async def write(self, statement: str, values: Sequence[Any]) -> list[TupleRow]:
        """Commit one statement on the primary; the rows that it returns.

        Raises `StoreUnavailable`: it may have been committed, if the answer was lost.
        """
        return await self._on(self.roles.primary, lambda pool: _rows(pool, statement, values))

    async def read(self, statement: str, values: Sequence[Any]) -> list[TupleRow]:
        """The rows from a standby, or from the primary where none answers.

        A standby may be behind. Raises `StoreUnavailable` where no copy answers.
        """
        standbys = [name for name in self._pools if name != self.roles.primary]
        for name in standbys:
            try:
                return await self._on(name, lambda pool: _rows(pool, statement, values))
            except StoreUnavailable:
                continue
        return await self.read_primary(statement, values)

    async def read_primary(self, statement: str, values: Sequence[Any]) -> list[TupleRow]:
        """The rows as they are now. Raises `StoreUnavailable`."""
        return await self._on(self.roles.primary, lambda pool: _rows(pool, statement, values))

    async def _on(self, name: str, use: Callable[[Pool], Awaitable[T]]) -> T:
        """Within the time, whatever the connection does: one that hangs is left to its pool."""
        began = time.monotonic_ns()
        task = asyncio.ensure_future(use(self._pools[name]))
        done, _ = await asyncio.wait({task}, timeout=self._timeout)
        if not done:
            self._late.add(task)
            task.add_done_callback(self._forget)
            task.cancel()
            self._calls.note(STORE, began, "timeout", address=self._addresses[name])
            raise StoreUnavailable(f"{name} did not answer within {self._timeout:g} s")
        try:
            found = task.result()
        except (psycopg.Error, PoolTimeout, OSError) as error:
            self._calls.note(STORE, began, _outcome(error), address=self._addresses[name])
            raise StoreUnavailable(f"{name}: {error}") from error
        self._calls.note(STORE, began, "ok", address=self._addresses[name])
        return found

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._late.discard(task)
        if not task.cancelled():
            task.exception()  # asked for, else the loop complains that nobody did


def _outcome(error: Exception) -> str:
    """How a call ended, in the words of all calls."""
    if isinstance(error, PoolTimeout):
        return "refused"  # no connection was to be had
    return "reset" if isinstance(error, psycopg.OperationalError | OSError) else "error"


def _pool(address: str, settings: DatabaseSettings) -> Pool:
    return AsyncConnectionPool(
        address,
        min_size=1,
        max_size=settings.connections,
        timeout=settings.timeout,
        reconnect_timeout=RECONNECT_S,
        kwargs={
            "autocommit": True,
            "connect_timeout": 2,
            "application_name": "dialogue",
            # Later than the caller's own: a commit whose wait for a synchronous standby the server
            # cuts short returns as if it had not been.
            "options": f"-c statement_timeout={settings.timeout * 4000:.0f}",
        },
        open=False,
    )


async def _rows(pool: Pool, statement: str, values: Sequence[Any]) -> list[TupleRow]:
    async with pool.connection() as connection:
        cursor = await connection.execute(statement, values)
        return await cursor.fetchall() if cursor.description else []
