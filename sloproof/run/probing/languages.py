"""The cheapest question that servers of a kind answer: what a link's witness sends and hears."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

from sloproof.run.probing.answers import Answer, Garbled, read_answer

Speaks = Literal["http", "postgresql", "redis"]

SSL_REQUEST = (8).to_bytes(4) + (80877103).to_bytes(4)
"""PostgreSQL's SSLRequest (frontend/backend protocol, message formats): answered by one byte."""
PING = b"PING\r\n"
"""Redis's inline PING (RESP, inline commands)."""
GOOD = 200


@dataclass(frozen=True, slots=True)
class Language:
    """What is asked (None: it depends on the probe), and how the answer is read.

    `read` raises `EOFError` where the connection ended before a whole answer, `OSError` where it
    broke, `Garbled` where the answer is another language's.
    """

    question: bytes | None
    read: Callable[[asyncio.StreamReader], Awaitable[Answer]]


async def _postgresql(reader: asyncio.StreamReader) -> Answer:
    """Whether TLS will be spoken, before anybody says who he is; asked once a connection."""
    word = await reader.readexactly(1)
    if word not in b"SN":
        raise Garbled(f"not an answer to SSLRequest: {word!r}")
    return Answer(GOOD, 1, reusable=False)


async def _redis(reader: asyncio.StreamReader) -> Answer:
    """`+PONG`; a server that wants a password first has answered, too."""
    line = await reader.readuntil(b"\r\n")
    if not line.startswith((b"+PONG", b"-NOAUTH")):
        raise Garbled(f"not an answer to PING: {line[:80]!r}")
    return Answer(GOOD, len(line), reusable=True)


LANGUAGES: dict[Speaks, Language] = {
    "http": Language(None, read_answer),
    "postgresql": Language(SSL_REQUEST, _postgresql),
    "redis": Language(PING, _redis),
}
