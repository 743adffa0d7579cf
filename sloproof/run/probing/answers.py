"""Reading one HTTP/1.1 answer off a connection, exact about how it ends (RFC 9112)."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass

_STATUS = re.compile(rb"HTTP/1\.([01]) (\d{3})(?: .*)?")
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;.*)?\r\n")
_PIECE = 1 << 16


class Garbled(ValueError):
    """What came was not HTTP."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer to a GET: its status, its size in bytes, whether the connection goes on, its date.

    The `date` is as it was sent, "" where it wasn't.
    """

    status: int
    size: int
    reusable: bool
    date: str = ""


async def read_answer(reader: asyncio.StreamReader) -> Answer:
    """Read one whole answer to a GET.

    Raises `EOFError` where the connection ended before, `OSError` where it broke, `Garbled`.
    """
    head = await _until(reader, b"\r\n\r\n")
    size = len(head)
    while head.startswith((b"HTTP/1.1 1", b"HTTP/1.0 1")):  # an interim answer comes first
        head = await _until(reader, b"\r\n\r\n")
        size += len(head)
    first, *lines = head[:-4].split(b"\r\n")
    found = _STATUS.fullmatch(first)
    if found is None:
        raise Garbled(f"not a status line: {first[:80]!r}")
    status = int(found[2])
    parts = (line.partition(b":") for line in lines)
    headers = {name.strip().lower(): value.strip() for name, _, value in parts}
    body, delimited = await _read_body(reader, status, headers)
    words = headers.get(b"connection", b"").lower()
    goes_on = b"close" not in words and (found[1] == b"1" or b"keep-alive" in words)
    date = headers.get(b"date", b"").decode("latin-1")
    return Answer(status, size + body, delimited and goes_on, date)


async def _until(reader: asyncio.StreamReader, end: bytes) -> bytes:
    try:
        return await reader.readuntil(end)
    except asyncio.LimitOverrunError as error:
        raise Garbled(f"no {end!r} in sight: {error}") from error


async def _read_body(
    reader: asyncio.StreamReader, status: int, headers: Mapping[bytes, bytes]
) -> tuple[int, bool]:
    """How many bytes the body has, and whether its end was told otherwise than by closing."""
    if status in (204, 304):
        return 0, True
    if b"chunked" in headers.get(b"transfer-encoding", b"").lower():
        return await _read_chunks(reader), True
    length = headers.get(b"content-length")
    if length is not None:
        if not length.isdigit():
            raise Garbled(f"not a length: {length[:80]!r}")
        await _skip(reader, int(length))
        return int(length), True
    size = 0
    while piece := await reader.read(_PIECE):
        size += len(piece)
    return size, False


async def _read_chunks(reader: asyncio.StreamReader) -> int:
    size = 0
    while True:
        line = await _until(reader, b"\r\n")
        found = _CHUNK_SIZE.fullmatch(line)
        if found is None:
            raise Garbled(f"not the size of a chunk: {line[:80]!r}")
        chunk = int(found[1], 16)
        if chunk == 0:
            break
        await _skip(reader, chunk + 2)
        size += len(line) + chunk + 2
    while (trailer := await _until(reader, b"\r\n")) != b"\r\n":
        size += len(trailer)
    return size


async def _skip(reader: asyncio.StreamReader, count: int) -> None:
    """Read `count` bytes, a piece at a time: a body may be larger than what is wanted in memory."""
    while count:
        count -= len(await reader.readexactly(min(count, _PIECE)))
