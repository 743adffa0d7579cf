"""Small HTTP requests to this host, each on a fresh connection: no pool hides a failure."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from digital_human.ports import LOOPBACK


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer's status and its body as it came, chunked or not."""

    status: int
    body: bytes


async def request(
    port: int, path: str, *, method: str = "GET", body: bytes = b"", within: float = 2.0
) -> Answer:
    """Ask the server on a loopback port and read its answer to the end, `within` so many seconds.

    Raises `TimeoutError`, `OSError` (refused, reset) or, for what is no HTTP answer, `ValueError`.
    """
    head = (
        f"{method} {path} HTTP/1.1\r\nhost: {LOOPBACK}:{port}\r\nconnection: close\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    async with asyncio.timeout(within):
        reader, writer = await asyncio.open_connection(LOOPBACK, port)
        try:
            writer.write(head.encode() + body)
            answer = await reader.read(-1)
        finally:
            writer.transport.abort()
    top, _, content = answer.partition(b"\r\n\r\n")
    words = top.split(b" ", 2)
    if len(words) < 3 or not words[0].startswith(b"HTTP/"):
        raise ValueError("not an HTTP answer")
    return Answer(int(words[1]), content)
