"""Connections to PostgreSQL that never keep anybody waiting for longer than they were told.

psycopg is an extra and imported only here, by who needs it. Where a statement is given up, its
connection is hung up from this side: the server is not asked to cancel, which would take another
connection, may take seconds, and would decide what becomes of the statement.
"""

from __future__ import annotations

import asyncio
import errno
import os
import select
import socket
from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from sloproof.errors import HarnessError

WITHOUT_PSYCOPG = "speaking SQL takes psycopg, which isn't installed: pip install 'sloproof[sql]'"

ENDING_S = 1.0
"""How long a statement may take to notice that its connection was hung up."""

Row = tuple[Any, ...]
Parameters = Mapping[str, object]


def psycopg() -> Any:
    """The library; raises `HarnessError` saying how to get it where it is missing."""
    try:
        import psycopg as found
    except ImportError:
        raise HarnessError(WITHOUT_PSYCOPG) from None
    return found


def one_by_one(dsn: str) -> list[str]:
    """A DSN that names several hosts, as one for each of them."""
    parts = urlsplit(dsn)
    user, at, places = parts.netloc.rpartition("@")
    return [urlunsplit(parts._replace(netloc=f"{user}{at}{place}")) for place in places.split(",")]


async def connect(dsn: str) -> Any:
    """A connection that commits each statement by itself.

    Of several hosts all are asked at once, so that one that hangs doesn't stand in another's way;
    the first that accepts (with `target_session_attrs`: and fits) is taken. Raises
    `psycopg.Error` where none does.
    """
    library = psycopg()
    trying = {asyncio.ensure_future(_connect(library, each)) for each in one_by_one(dsn)}
    refused: list[Exception] = []
    try:
        while trying:
            done, trying = await asyncio.wait(trying, return_when=asyncio.FIRST_COMPLETED)
            found = [task for task in done if task.exception() is None]
            if found:
                for task in found[1:]:
                    hang_up(task.result())
                return found[0].result()
            refused += [error for task in done if isinstance(error := task.exception(), Exception)]
    finally:
        for task in trying:
            task.cancel()
            task.add_done_callback(_let_go)
    raise _most_telling(refused)


async def rows(connection: Any, statement: str, parameters: Parameters | None = None) -> list[Row]:
    """What a statement gives, once it is committed; no rows where it gives none.

    Cancelled, it hangs up. Raises `psycopg.Error`.
    """
    task = asyncio.ensure_future(_rows(connection, statement, parameters))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        hang_up(connection)
        # It ends by that at once; left alone, it might be cancelled with the loop, and ask to.
        task.add_done_callback(_seen)
        await asyncio.wait({task}, timeout=ENDING_S)
        raise


def alive(connection: Any) -> bool:
    """Whether nothing says that the other end has gone: an idle server is silent."""
    if connection.closed:
        return False
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN | select.POLLRDHUP)
    return not poll.poll(0)


def hang_up(connection: Any) -> None:
    """End a connection at once, whatever it is doing; who waits for it gets an error."""
    library = psycopg()
    busy = connection.info.transaction_status == library.pq.TransactionStatus.ACTIVE
    with suppress(library.Error, OSError), socket.socket(fileno=_line(connection)) as line:
        line.shutdown(socket.SHUT_RDWR)
    if not busy:
        connection.pgconn.finish()


def word(error: Exception) -> str:
    """What went wrong in a word or two: `refused`, `timeout`, `read-only`, `sql 53300`, `lost`."""
    state = getattr(error, "sqlstate", None)
    if state:
        return f"sql {state}"
    text = str(error).lower()
    words = {
        "connection refused": "refused",
        "timeout expired": "timeout",
        "timed out": "timeout",
        "no route to host": "unreachable",
        "unreachable": "unreachable",
        "resolve": "unresolved",
        "not known": "unresolved",
        "read-only": "read-only",
        "too many clients": "full",
        "remaining connection slots": "full",
        "starting up": "starting",
        "not yet accepting connections": "starting",
        "shutting down": "stopping",
        "no such file": "refused",
    }
    return next((short for long, short in words.items() if long in text), "lost")


async def _connect(library: Any, dsn: str) -> Any:
    return await library.AsyncConnection.connect(
        dsn, autocommit=True, prepare_threshold=None, application_name="sloproof"
    )


async def _rows(connection: Any, statement: str, parameters: Parameters | None) -> list[Row]:
    cursor = await connection.execute(statement, parameters)
    found: list[Row] = await cursor.fetchall() if cursor.description else []
    return found


def _line(connection: Any) -> int:
    """A descriptor of our own for its socket, since psycopg keeps the other."""
    return os.dup(connection.fileno())


def _most_telling(errors: list[Exception]) -> Exception:
    """Of several refusals the one that isn't merely a host that is no primary."""
    ranked = sorted(errors, key=lambda error: word(error) == "read-only")
    return ranked[0] if ranked else OSError(errno.ENOTCONN, "nothing to connect to")


def _seen(task: asyncio.Future[Any]) -> None:
    """Nobody waits for it any more."""
    if not task.cancelled():
        task.exception()


def _let_go(task: asyncio.Future[Any]) -> None:
    """One that connected after all, too late."""
    if not task.cancelled() and task.exception() is None:
        hang_up(task.result())
