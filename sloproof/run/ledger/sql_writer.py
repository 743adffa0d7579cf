"""Writes by SQL: one statement, committed by itself, acknowledged when its commit has returned.

Failed, that is certainly not applied, is what found no connection, and what the server answered
with an error: it rolls back. Indeterminate is what got no answer: a time-out, a lost connection, or
an error by which the server itself says that it doesn't know or was going down. A connection that
is lost is made anew by the next write; where the DSN names several hosts, by the one that fits.
"""

from __future__ import annotations

import asyncio
from typing import Any

from sloproof.model.stores import SqlWrite
from sloproof.record.schema import WriteOutcome
from sloproof.run.ledger.order import SECOND, Order
from sloproof.run.ledger.writing import ACKNOWLEDGED, Fate
from sloproof.run.sql import alive, connect, hang_up, psycopg, rows, word

_UNKNOWN = ("08", "57P01", "57P02", "57P04", "57P05", "40003", "XX")
"""SQLSTATEs after which a transaction may have been committed: the connection or the server was
going, the completion is unknown, or what failed is the server itself."""


class SqlWriter:
    """Sends an order's statement over a pool of connections, one for each write in flight."""

    def __init__(self, order: Order, sql: SqlWrite) -> None:
        self._order = order
        self._sql = sql
        self._idle: list[Any] = []
        self._errors = psycopg().Error

    async def write(self, sequence: int, name: str) -> Fate:
        """Send one, and say what became of it."""
        limit = asyncio.get_running_loop().time() + self._order.timeout_ns / SECOND
        try:
            async with asyncio.timeout_at(limit):
                connection = await self._connection()
        except TimeoutError:
            return Fate(WriteOutcome.FAILED, "timeout")
        except (self._errors, OSError) as error:
            return Fate(WriteOutcome.FAILED, word(error))
        values = {"id": name, "run": self._order.run, "sequence": sequence}
        try:
            async with asyncio.timeout_at(limit):
                await rows(connection, self._sql.statement, values)
        except TimeoutError:
            return Fate(WriteOutcome.INDETERMINATE, "timeout")
        except (self._errors, OSError) as error:
            return self._refused(connection, error)
        self._idle.append(connection)
        return ACKNOWLEDGED

    def _refused(self, connection: Any, error: Exception) -> Fate:
        state = getattr(error, "sqlstate", None) or ""
        if connection.closed or not state:
            hang_up(connection)
        else:
            self._idle.append(connection)
        unknown = not state or state.startswith(_UNKNOWN)
        outcome = WriteOutcome.INDETERMINATE if unknown else WriteOutcome.FAILED
        return Fate(outcome, word(error))

    async def _connection(self) -> Any:
        while self._idle:
            connection = self._idle.pop()
            if alive(connection):
                return connection
            hang_up(connection)
        return await connect(self._sql.dsn)

    async def close(self) -> None:
        """Hang up."""
        while self._idle:
            hang_up(self._idle.pop())
