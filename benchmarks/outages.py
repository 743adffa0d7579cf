"""A server whose outages are known to the moment: gone, silent, or answering 503."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import cast

KINDS = ("refused", "silent", "errors")
GOOD = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
BAD = b"HTTP/1.1 503 Down\r\ncontent-length: 4\r\n\r\ndown"


@dataclass(frozen=True, slots=True)
class Outage:
    """Of which kind, and between which moments it began and ended (ns of CLOCK_MONOTONIC)."""

    kind: str
    began: tuple[int, int]
    ended: tuple[int, int]

    @property
    def lasted(self) -> float:
        """In ns; known to half the sum of what the two moments leave open."""
        return (sum(self.ended) - sum(self.began)) / 2


@dataclass(slots=True)
class Window:
    """A port that is always there and tells whether something is down; `down` says how."""

    port: int = 0
    down: str = ""


@dataclass(slots=True)
class Door:
    """What goes down, and the window beside it."""

    window: Window
    port: int = 0
    open: set[asyncio.Transport] = field(default_factory=set)


class _Telling(asyncio.Protocol):
    def __init__(self, window: Window) -> None:
        self._window = window

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._transport.write(BAD if self._window.down else GOOD)


class _Failing(asyncio.Protocol):
    def __init__(self, door: Door) -> None:
        self._door = door

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._door.open.add(self._transport)

    def connection_lost(self, error: Exception | None) -> None:
        self._door.open.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        if self._door.window.down == "errors":
            self._transport.write(BAD)
        elif not self._door.window.down:
            self._transport.write(GOOD)


@asynccontextmanager
async def overlooking() -> AsyncIterator[Window]:
    """A window through which nothing is seen to be down yet."""
    window = Window()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Telling(window), "127.0.0.1", 0)
    window.port = server.sockets[0].getsockname()[1]
    yield window
    server.close()


@asynccontextmanager
async def standing() -> AsyncIterator[Door]:
    """A door that is open, with its window."""
    async with overlooking() as window:
        door = Door(window)
        server = await _listen(door)
        door.port = server.sockets[0].getsockname()[1]
        server.close()
        yield door
        for transport in tuple(door.open):
            transport.abort()


async def happen(door: Door, count: int, seed: int) -> list[Outage]:
    """Open the door, and let it go down `count` times for 100 to 600 ms, each kind in turn."""
    chance = random.Random(seed)
    server = await _listen(door)
    found: list[Outage] = []
    await asyncio.sleep(1)
    for number in range(count):
        kind = KINDS[number % len(KINDS)]
        begins = time.monotonic_ns()
        door.window.down = kind
        if kind == "refused":
            server.close()
            for transport in tuple(door.open):
                transport.abort()
        began = time.monotonic_ns()
        await asyncio.sleep(chance.uniform(0.1, 0.6))
        ends = time.monotonic_ns()
        if kind == "refused":
            server = await _listen(door)
        door.window.down = ""
        found.append(Outage(kind, (begins, began), (ends, time.monotonic_ns())))
        await asyncio.sleep(chance.uniform(0.5, 0.7))
    server.close()
    return found


async def _listen(door: Door) -> asyncio.Server:
    loop = asyncio.get_running_loop()
    return await loop.create_server(lambda: _Failing(door), "127.0.0.1", door.port)
