"""Questions to a server, each on a connection of its own and each with a deadline that holds.

psycopg waits for as long as the kernel of a stopped server keeps the connection, also while it
cancels. Here the connection is shut down at the deadline instead, which ends every wait.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import psycopg

from digital_human.postgres.errors import SqlFailed, Unreachable

# What a server sends as it goes away, is not up yet or takes no more connections, from
# https://www.postgresql.org/docs/18/errcodes-appendix.html
AWAY = ("08", "53300", "57P01", "57P02", "57P03", "57P05")


@asynccontextmanager
async def connected(dsn: str, within: float = 2.0) -> AsyncIterator[Any]:
    """An autocommit connection that lives for at most `within` seconds, connecting included.

    Raises `Unreachable` or `SqlFailed`.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within
    try:
        async with asyncio.timeout(within):
            connection = await psycopg.AsyncConnection.connect(dsn, autocommit=True)
    except (TimeoutError, OSError) as error:
        raise Unreachable(f"no connection within {within:g} s") from error
    except psycopg.Error as error:
        raise _told(error) from error
    cut = loop.call_later(max(0.0, deadline - loop.time()), _shut, connection)
    try:
        yield connection
    except psycopg.Error as error:
        raise _told(error) from error
    finally:
        cut.cancel()
        await connection.close()


async def rows(
    dsn: str, query: str, values: Sequence[Any] = (), within: float = 2.0
) -> list[tuple[Any, ...]]:
    """All rows of a query. Raises `Unreachable` or `SqlFailed`."""
    async with connected(dsn, within) as connection:
        cursor = await connection.execute(query, values)
        return list(await cursor.fetchall()) if cursor.description else []


async def value(dsn: str, query: str, values: Sequence[Any] = (), within: float = 2.0) -> Any:
    """The first column of the first row, `None` if there is none."""
    found = await rows(dsn, query, values, within)
    return found[0][0] if found else None


def _shut(connection: Any) -> None:
    with socket.socket(fileno=os.dup(connection.fileno())) as line:
        line.shutdown(socket.SHUT_RDWR)


def _told(error: Any) -> Unreachable | SqlFailed:
    words = " ".join(str(error).split())
    if error.sqlstate is None or error.sqlstate.startswith(AWAY):
        return Unreachable(words)
    return SqlFailed(f"{words} ({error.sqlstate})")
