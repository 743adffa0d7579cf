"""`link`: what happens to an HTTP request's bytes on a link; the witness of link faults.

Two ways: over a new connection for each sample, or, `kept`, over one connection from the start of
the run, which is older than any fault. HTTP/1.1 is spoken here over a plain connection, so that
how it broke is told exactly. Links of servers that speak otherwise are asked what costs those least
(`speaks`): PostgreSQL whether it speaks TLS, Redis and its kin to answer a PING.

`value` is the round trip: from writing the request to the last byte of the answer, in seconds,
connecting left out. With `measure: throughput` it is bytes per second over that time, of the
answer or the request, whichever is longer: ask for a `path` with a large answer, or give a request
`padding` bytes of header to see the other way.

`ok` is an answer with a status below 400; every whole answer has a value. Details:

- `refused`, `unreachable`, `unresolved`: no connection could be made;
- `reset`: the connection was reset; `closed`: it ended without a whole answer. A proxy whose
  backend is down accepts, then closes; if the request came first, its kernel resets;
- `timeout`: no whole answer in time;
- `status N`: an answer of 400 or more; `garbled`: not HTTP;
- `reopened` (good): a kept connection had to be made anew for this sample;
- `busy`: the sample before still waited on the kept connection.

A kept connection is made anew by the sample after it broke, or timed out (a late answer would be
taken for the next one's), or after an answer that announced its end. One that was closed while it
was idle is a sample of its own, `closed` or `reset`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from time import monotonic_ns
from typing import ClassVar, Literal

from sloproof.contracts import Probe, Sample
from sloproof.run.own_requests import REQUEST_ID, USER_AGENT, request_id
from sloproof.run.probing.answers import Answer, Garbled
from sloproof.run.probing.languages import LANGUAGES, Speaks

OPENING_S = 1.0
"""How long the start waits for a kept connection before leaving it to the first sample."""

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(slots=True)
class Kept:
    """The connection that is kept, if there is one now."""

    connection: Connection | None = None


@dataclass(frozen=True, kw_only=True)
class Link(Probe):
    """Sends GET `path` to `host` and `port`, naming `host_header` (else the address) as the host.

    With `kept`, samples never overlap; without, they do. `path`, headers and padding are HTTP's.
    """

    kind: ClassVar[str] = "link"

    host: str
    port: int
    path: str = "/"
    host_header: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    kept: bool = False
    measure: Literal["round-trip", "throughput"] = "round-trip"
    padding: int = 0
    speaks: Speaks = "http"

    @property
    def overlaps(self) -> bool:  # type: ignore[override]
        """Only a connection that is kept can be used by one sample at a time."""
        return not self.kept

    @cached_property
    def _kept(self) -> Kept:
        return Kept()

    @cached_property
    def _request(self) -> bytes:
        question = LANGUAGES[self.speaks].question
        if question is not None:
            return question
        headers = {
            "host": self.host_header or f"{self.host}:{self.port}",
            "user-agent": USER_AGENT,
            REQUEST_ID: request_id(),
            "accept": "*/*",
            "connection": "keep-alive" if self.kept else "close",
            **({"x-padding": "." * self.padding} if self.padding else {}),
            **{name.lower(): value for name, value in self.headers.items()},
        }
        lines = [f"GET {self.path} HTTP/1.1", *(f"{name}: {v}" for name, v in headers.items())]
        return "\r\n".join([*lines, "", ""]).encode("latin-1")

    async def open(self) -> None:
        """Make the kept connection, if it can be made now."""
        if self.kept:
            with suppress(OSError):
                async with asyncio.timeout(OPENING_S):
                    self._kept.connection = await self._connect()

    async def _connect(self) -> Connection:
        return await asyncio.open_connection(self.host, self.port)

    async def sample(self) -> Sample:
        """One request and its answer."""
        try:
            return await (self._over_kept() if self.kept else self._over_new())
        except (OSError, EOFError) as error:
            return Sample.failed(error)
        except Garbled:
            return Sample(ok=False, detail="garbled")

    async def _over_new(self) -> Sample:
        connection = await self._connect()
        try:
            return (await self._exchange(connection))[0]
        finally:
            connection[1].transport.abort()

    async def _over_kept(self) -> Sample:
        kept = self._kept
        connection, kept.connection = kept.connection, None
        reopened = connection is None
        connection = connection or await self._connect()
        reusable = False
        try:
            sample, reusable = await self._exchange(connection)
        finally:
            if reusable:
                kept.connection = connection
            else:
                connection[1].transport.abort()
        return Sample(sample.ok, sample.value, sample.detail or ("reopened" if reopened else ""))

    async def _exchange(self, connection: Connection) -> tuple[Sample, bool]:
        reader, writer = connection
        if reader.at_eof():
            raise EOFError
        began = monotonic_ns()
        # Not drained: that error says "lost" where the reader's says how.
        writer.write(self._request)
        answer = await LANGUAGES[self.speaks].read(reader)
        took = (monotonic_ns() - began) / 1e9
        good = answer.status < 400
        sample = Sample(good, self._value(answer, took), "" if good else f"status {answer.status}")
        return sample, answer.reusable

    def _value(self, answer: Answer, took: float) -> float:
        if self.measure == "round-trip":
            return took
        return max(answer.size, len(self._request)) / took

    async def close(self) -> None:
        """Close the kept connection."""
        if self._kept.connection is not None:
            self._kept.connection[1].transport.abort()
