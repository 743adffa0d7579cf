"""Asking a copy whether it is well, in the language that it speaks."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

import psycopg

from digital_human.loopback import request
from digital_human.ports import LOOPBACK

PING = b"PING\r\n"
PONG = b"+PONG"


async def well(address: str, within: float) -> bool:
    """Whether the copy at this address says that it is well, within so many seconds.

    Raises `OSError` (a `ConnectionError` where nobody listens), `TimeoutError`, or `ValueError` for
    what is no answer.
    """
    parts = urlsplit(address)
    port = parts.port or 0
    match parts.scheme:
        case "redis":
            return await _pong(port, within)
        case "postgresql":
            await is_primary(address, within)
            return True
        case _:
            return (await request(port, "/health", within=within)).status == 200


async def is_primary(address: str, within: float) -> bool:
    """Whether this copy of the store takes writes. Raises as `well` does."""
    try:
        async with asyncio.timeout(within):
            return await asyncio.to_thread(_asked, address, within)
    except psycopg.Error as error:
        refused = "refused" in str(error)
        raise (ConnectionRefusedError if refused else OSError)(str(error).strip()) from error


def _asked(address: str, within: float) -> bool:
    limit = f"-c statement_timeout={within * 1000:.0f}"
    with psycopg.connect(address, connect_timeout=2, options=limit, autocommit=True) as connection:
        row = connection.execute("select not pg_is_in_recovery()").fetchone()
    return bool(row and row[0])


async def _pong(port: int, within: float) -> bool:
    async with asyncio.timeout(within):
        reader, writer = await asyncio.open_connection(LOOPBACK, port)
        try:
            writer.write(PING)
            return (await reader.readline()).startswith(PONG)
        finally:
            writer.transport.abort()
