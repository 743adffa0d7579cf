"""A connection to a PostgreSQL server, as much of it as undoing takes: log in, ask, read text."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Self

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

PATIENCE = 3.0
"""Seconds in which the server has to answer."""


class Connection:
    """One connection to one server; statements are sent one after the other, each by itself.

    Raises `EffectError` where nobody answers in time, `ServerError` for what the server refuses.
    """

    def __init__(self, dsn: str, *, name: str = "sloproof", patience: float = PATIENCE) -> None:
        self.place = Place.parse(dsn)
        self._pending = b""
        with self._in_words():
            self._socket = socket.create_connection((self.place.host, self.place.port), patience)
        try:
            with self._in_words():
                self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                if self.place.encrypted:
                    self._encrypt()
            self._log_in(name)
        except BaseException:
            self._socket.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Say good-bye, if anybody still listens, and hang up."""
        with suppress(EffectError):
            self._send(message(b"X"))
        self._socket.close()

    def ask(self, statement: str) -> list[Row]:
        """The rows that a statement gives; all columns as text, None for null."""
        self._send(query(statement))
        rows: list[Row] = []
        refused: ServerError | None = None
        for kind, body in self._messages():
            if kind == b"D":
                rows.append(columns(body))
            elif kind == b"E":
                refused = self.place.refusal(body)
            elif kind == b"Z":  # ready for the next one
                break
        if refused is not None:
            raise refused
        return rows

    def value(self, statement: str) -> str:
        """The only column of the only row; "" for null."""
        rows = self.ask(statement)
        if len(rows) != 1 or len(rows[0]) != 1:
            raise EffectError(f"PostgreSQL at {self.place}: one value was expected")
        return rows[0][0] or ""

    def _encrypt(self) -> None:
        self._socket.sendall(SSL_REQUEST)
        if self._socket.recv(1) != b"S":  # what follows is no longer in clear
            raise EffectError(f"PostgreSQL at {self.place} doesn't offer encryption")
        wrap = self.place.context().wrap_socket
        self._socket = wrap(self._socket, server_hostname=self.place.host)

    def _log_in(self, name: str) -> None:
        self._send(self.place.greeting(name))
        login = Login(self.place.user, self.place.password)
        for kind, body in self._messages():
            if kind == b"E":
                raise self.place.refusal(body)
            if kind == b"R" and (answer := login.answer(body)) is not None:
                self._send(message(b"p", answer))
            if kind == b"Z":
                break

    def _messages(self) -> Iterator[tuple[bytes, bytes]]:
        while True:
            kind, size = head(self._read(HEAD))
            yield kind, self._read(size)

    def _send(self, data: bytes) -> None:
        with self._in_words():
            self._socket.sendall(data)

    def _read(self, size: int) -> bytes:
        while len(self._pending) < size:
            with self._in_words():
                more = self._socket.recv(65536)
            if not more:
                raise EffectError(f"PostgreSQL at {self.place} hung up")
            self._pending += more
        found, self._pending = self._pending[:size], self._pending[size:]
        return found

    @contextmanager
    def _in_words(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise EffectError(f"PostgreSQL at {self.place}: {error}") from error
