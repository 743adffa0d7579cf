"""A store that acknowledges writes before it keeps them, and so loses some, known ones, at a crash.

Writes come by HTTP and are kept in PostgreSQL a little later, in batches. A crash drops the batch
that waits: those writes are acknowledged and lost. What is asked while it goes down gets no answer;
by the seed, some of these writes are kept all the same. By the seed as well, some writes are kept
twice, and some are refused and kept all the same.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import psycopg

LOOPBACK = "127.0.0.1"
TABLE = "create table writes (id text, run text)"
READ = "select id from writes where run = %(run)s"
INSERT = "insert into writes (id, run) values (%s, %s)"
BATCH_S = 0.12
GOING_S = 0.03
"""How long it takes requests without answering them before it is gone."""
DOWN_S = 0.05
TWICE, REFUSED, KEPT = 0.01, 0.01, 0.5
"""The shares of writes kept twice, of those refused but kept, and of unanswered ones kept."""


@dataclass(slots=True)
class Truth:
    """What really became of the writes; `crashes` has the moments of each and what it lost.

    `twice` were kept twice, `refused` were refused and kept, `kept_unanswered` got no answer and
    were kept.
    """

    crashes: list[tuple[tuple[int, int], frozenset[str]]] = field(default_factory=list)
    twice: set[str] = field(default_factory=set)
    refused: set[str] = field(default_factory=set)
    kept_unanswered: set[str] = field(default_factory=set)

    @property
    def lost(self) -> frozenset[str]:
        return frozenset().union(*(lost for _, lost in self.crashes))


class Forgetful:
    """The store: `port` is where it takes writes."""

    def __init__(self, connection: Any, seed: int) -> None:
        self._database = connection
        self._chance = random.Random(seed)
        self._batch: list[tuple[str, str, bool]] = []
        self._waiting: list[tuple[str, str]] = []
        self._answered: set[asyncio.StreamWriter] = set()
        self._open: set[asyncio.StreamWriter] = set()
        self._going = asyncio.Event()
        self._server: asyncio.Server | None = None
        self.truth = Truth()
        self.port = 0

    async def listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, LOOPBACK, self.port, backlog=200)
        self.port = self._server.sockets[0].getsockname()[1]

    async def keep(self) -> None:
        """Keep the batch that waits."""
        batch, self._batch = self._batch, []
        async with self._database.transaction(), self._database.cursor() as cursor:
            for name, run, acknowledged in batch:
                again = self._chance.random() < TWICE
                if again:
                    self.truth.twice.add(name)
                if not acknowledged:
                    self.truth.refused.add(name)
                for _ in range(1 + again):
                    await cursor.execute(INSERT, (name, run))

    async def crash(self) -> None:
        """Go down: whoever was answered has heard it by then, whoever wasn't never will be."""
        self._going.set()
        await asyncio.sleep(GOING_S)
        while self._answered:  # noqa: ASYNC110 - that a set is empty is no event
            await asyncio.sleep(0.001)
        began = time.monotonic_ns()
        assert self._server is not None
        self._server.close()
        lost, self._batch = frozenset(name for name, _, told in self._batch if told), []
        for each in tuple(self._open):
            each.transport.abort()
        happened = (began, time.monotonic_ns())
        self.truth.crashes.append((happened, lost))
        await asyncio.sleep(DOWN_S)
        waiting, self._waiting = self._waiting, []
        async with self._database.transaction():
            for name, run in waiting:
                if self._chance.random() < KEPT:
                    self.truth.kept_unanswered.add(name)
                    await self._database.execute(INSERT, (name, run))
        self._going.clear()
        await self.listen()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            with suppress(OSError, asyncio.IncompleteReadError):
                name, run = await _asked(reader)
                if self._going.is_set():
                    self._waiting.append((name, run))
                    await reader.read()
                    return
                self._answered.add(writer)
                writer.write(self._answer(name, run))
                await reader.read()  # its end says that the answer was heard
        finally:
            self._answered.discard(writer)
            self._open.discard(writer)
            writer.close()

    def _answer(self, name: str, run: str) -> bytes:
        acknowledged = self._chance.random() >= REFUSED
        self._batch.append((name, run, acknowledged))
        status = b"200 OK" if acknowledged else b"409 Conflict"
        return b"HTTP/1.1 " + status + b"\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


async def _asked(reader: asyncio.StreamReader) -> tuple[str, str]:
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
    body = json.loads(await reader.readexactly(length))
    return body["id"], body["run"]


async def crashing(store: Forgetful, count: int, seed: int) -> None:
    """Keep batches, and crash `count` times, a second or so apart."""
    chance = random.Random(seed)
    for _ in range(count):
        for _ in range(chance.randint(3, 6)):
            await asyncio.sleep(BATCH_S)
            await store.keep()
        await asyncio.sleep(chance.uniform(0.01, BATCH_S))
        await store.crash()
    await asyncio.sleep(BATCH_S)
    await store.keep()


@asynccontextmanager
async def forgetful(dsn: str, seed: int) -> AsyncIterator[Forgetful]:
    """A store that keeps what it keeps in the database at `dsn`."""
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
        await connection.execute(TABLE)
        store = Forgetful(connection, seed)
        await store.listen()
        yield store
