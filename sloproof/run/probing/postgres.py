"""A connection to a PostgreSQL server for probes: it may be given up at any moment.

What is cancelled hangs up at once and waits for nobody, so that a server behind a cut link holds no
sample longer than its time-out.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Self

from sloproof.contracts import Sample
from sloproof.effects.postgres_login import Login
from sloproof.effects.postgres_protocol import (
    HEAD,
    SSL_REQUEST,
    Place,
    Row,
    ServerError,
    columns,
    head,
    message,
    query,
)
from sloproof.errors import EffectError

NAME = "sloproof-probe"
"""By which the server knows the harness's own connections."""
_WORDS = {"53300": "too many", "57P01": "closed", "57P02": "closed", "57P03": "starting"}
"""What a probe says of an SQLSTATE: no slot left, ended by an administrator, not (yet) up."""

Message = tuple[bytes, bytes]


class Server:
    """One open connection. Raises `OSError`, `EOFError` or `EffectError` for what goes wrong."""

    def __init__(
        self, place: Place, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.place = place
        self._reader = reader
        self._writer = writer

    @classmethod
    async def at(cls, dsn: str) -> Self:
        """A connection that is logged in."""
        place = Place.parse(dsn)
        reader, writer = await asyncio.open_connection(place.host, place.port)
        server = cls(place, reader, writer)
        try:
            if place.encrypted:
                writer.write(SSL_REQUEST)
                if await reader.readexactly(1) != b"S":
                    raise EffectError(f"PostgreSQL at {place} doesn't offer encryption")
                await writer.start_tls(place.context(), server_hostname=place.host)
            await server._log_in()
        except BaseException:
            server.close()
            raise
        return server

    def close(self) -> None:
        """Hang up, after a good-bye that nobody waits for."""
        with suppress(OSError, RuntimeError):
            self._writer.write(message(b"X"))
        self._writer.close()

    async def ask(self, statement: str) -> list[Row]:
        """The rows that a statement gives; all columns as text, None for null."""
        done = False
        try:
            self._writer.write(query(statement))
            rows: list[Row] = []
            refused: ServerError | None = None
            while True:
                kind, body = await self._message()
                if kind == b"D":
                    rows.append(columns(body))
                elif kind == b"E":
                    refused = self.place.refusal(body)
                elif kind == b"Z":
                    done = True
                    break
        finally:
            if not done:  # a late answer would be taken for the next one's
                self._writer.transport.abort()
        if refused is not None:
            raise refused
        return rows

    async def _log_in(self) -> None:
        self._writer.write(self.place.greeting(NAME))
        login = Login(self.place.user, self.place.password)
        while True:
            kind, body = await self._message()
            if kind == b"E":
                raise self.place.refusal(body)
            if kind == b"R" and (answer := login.answer(body)) is not None:
                self._writer.write(message(b"p", answer))
            if kind == b"Z":
                return

    async def _message(self) -> Message:
        kind, size = head(await self._reader.readexactly(HEAD))
        return kind, await self._reader.readexactly(size)


class Kept:
    """A connection that is made when it is needed and kept until it breaks."""

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn
        self._server: Server | None = None

    async def ask(self, statement: str) -> list[Row]:
        """The rows; over a new connection where the one that was kept is no longer good."""
        server, self._server = self._server, None
        rows: list[Row] | None = None
        if server is not None:
            with suppress(OSError, EOFError, EffectError):
                rows = await server.ask(statement)
        if rows is None or server is None:
            server = await Server.at(self.dsn)
            rows = await server.ask(statement)
        self._server = server
        return rows

    def close(self) -> None:
        """Hang up."""
        if self._server is not None:
            self._server.close()
            self._server = None


def failed(error: Exception) -> Sample:
    """The sample of what went wrong: `too many`, `starting`, or the words of all connections.

    `denied` is any other thing that the server refuses.
    """
    if isinstance(error, ServerError):
        return Sample(ok=False, detail=_WORDS.get(error.state, "denied"))
    return Sample.failed(error)
