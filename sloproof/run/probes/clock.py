"""`clock`: how far is the wall clock of an HTTP server from this host's.

`value` is by how many seconds it is ahead (negative: behind), from the `Date` of its answer, so to
half a second (RFC 9110 has no fractions; some servers look at their clock once a second). Any
status will do. Details: those of `link`, and `no date`.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from time import time_ns
from typing import ClassVar

from sloproof.contracts import Probe, Sample
from sloproof.run.own_requests import REQUEST_ID, USER_AGENT, request_id
from sloproof.run.probing.answers import Garbled, read_answer

HALF = 0.5
"""A date without fractions is half a second old on average."""


@dataclass(frozen=True, kw_only=True)
class Clock(Probe):
    """Sends GET `path` to `host` and `port` and reads the date of the answer."""

    kind: ClassVar[str] = "clock"
    overlaps: ClassVar[bool] = True

    host: str
    port: int
    path: str = "/"

    async def sample(self) -> Sample:
        """One request and its answer."""
        try:
            return await self._ask()
        except (OSError, EOFError) as error:
            return Sample.failed(error)
        except Garbled:
            return Sample(ok=False, detail="garbled")

    async def _ask(self) -> Sample:
        reader, writer = await asyncio.open_connection(self.host, self.port)
        try:
            began = time_ns()
            writer.write(self._request())
            date = (await read_answer(reader)).date
            middle = (began + time_ns()) / 2e9
        finally:
            writer.transport.abort()
        try:
            told = parsedate_to_datetime(date).timestamp()
        except ValueError:
            return Sample(ok=False, detail="no date")
        return Sample(ok=True, value=told + HALF - middle)

    def _request(self) -> bytes:
        lines = [
            f"GET {self.path} HTTP/1.1",
            f"host: {self.host}:{self.port}",
            f"user-agent: {USER_AGENT}",
            f"{REQUEST_ID}: {request_id()}",
            "connection: close",
        ]
        return "\r\n".join([*lines, "", ""]).encode("latin-1")
