"""Writes by HTTP. An answer of 2xx acknowledges; what is certain of the others is said, no more.

Failed, that is certainly not applied, is what never got a connection, and what an answer of 4xx
refuses (408 apart: its sender saw no whole request, but somebody behind it may have). A time-out, a
connection that was lost, 3xx and 5xx leave it open. Each write has a connection of its own: on a
kept one nobody could tell a server that went before from one that went with the write. aiohttp
would send a PUT or a DELETE a second time where its connection is lost; here it doesn't.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import quote

import aiohttp

from sloproof.model.addressing import HttpCall
from sloproof.record.schema import WriteOutcome
from sloproof.run.ledger.order import SECOND, Order
from sloproof.run.ledger.writing import ACKNOWLEDGED, Fate
from sloproof.run.own_requests import PREFIX, REQUEST_ID, USER_AGENT
from sloproof.run.probes.http import failed

_UNCERTAIN = frozenset({408})


class _Lost(Exception):
    """A connection that broke under a request; of no kind that aiohttp would try again."""

    def __init__(self, error: aiohttp.ClientError | OSError) -> None:
        super().__init__(str(error))
        self.error = error


@dataclass(slots=True)
class _Way:
    """How far a request has come: without a connection nothing of it was sent."""

    connected: bool = False


class HttpWriter:
    """Sends an order's call, its `{id}`, `{run}` and `{sequence}` filled in."""

    def __init__(self, order: Order, call: HttpCall) -> None:
        self._order = order
        self._call = call

    @cached_property
    def _session(self) -> aiohttp.ClientSession:
        context = ssl.create_default_context(cafile=self._order.ca) if self._order.ca else True
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=context, limit=0, force_close=True),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
            headers={"user-agent": USER_AGENT, **self._order.headers},
            cookie_jar=aiohttp.DummyCookieJar(),
            middlewares=(_once,),
            trace_configs=[_noting_connections()],
        )

    async def write(self, sequence: int, name: str) -> Fate:
        """Send one, and say what became of it."""
        values = {"id": name, "run": self._order.run, "sequence": sequence}
        way = _Way()
        try:
            async with asyncio.timeout(self._order.timeout_ns / SECOND):
                return await self._send(values, way)
        except TimeoutError:
            return _lost("timeout") if way.connected else _never("timeout")

    async def _send(self, values: Mapping[str, object], way: _Way) -> Fate:
        try:
            async with self._session.request(
                self._call.method,
                filled(self._call.url, {name: quote(str(v), "") for name, v in values.items()}),
                json=filled(self._call.json, values),
                headers={REQUEST_ID: f"{PREFIX}{values['id']}"},
                allow_redirects=False,
                trace_request_ctx=way,
            ) as answer:
                # The status is the acknowledgement; a body that breaks off takes nothing back.
                return _told(answer.status)
        except aiohttp.ClientConnectorError as error:
            return _never(failed(error).detail)
        except _Lost as lost:
            return _lost(failed(lost.error).detail)
        except (aiohttp.ClientError, OSError) as error:
            return _lost(failed(error).detail)

    async def close(self) -> None:
        """Close the session."""
        await self._session.close()


async def _once(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    try:
        return await handler(request)
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise _Lost(error) from error


def _noting_connections() -> aiohttp.TraceConfig:
    async def note(_: Any, context: Any, __: Any) -> None:
        context.trace_request_ctx.connected = True

    config = aiohttp.TraceConfig()
    config.on_connection_create_end.append(note)
    return config


def filled(data: Any, values: Mapping[str, object]) -> Any:
    """Plain data with `{name}` replaced in its texts; one that stands alone keeps its type."""
    if isinstance(data, Mapping):
        return {key: filled(value, values) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [filled(value, values) for value in data]
    if not isinstance(data, str):
        return data
    for name, value in values.items():
        if data == f"{{{name}}}":
            return value
        data = data.replace(f"{{{name}}}", str(value))
    return data


def _told(status: int) -> Fate:
    if 200 <= status < 300:
        return ACKNOWLEDGED
    refused = 400 <= status < 500 and status not in _UNCERTAIN
    return _never(f"status {status}") if refused else _lost(f"status {status}")


def _never(detail: str) -> Fate:
    return Fate(WriteOutcome.FAILED, detail)


def _lost(detail: str) -> Fate:
    return Fate(WriteOutcome.INDETERMINATE, detail)
