"""`promql`: what a Prometheus server answers to a query.

`value` is that of the one series, or of the scalar, that the query gives. Details: `missing` (no
series), `ambiguous` (several: aggregate them), `nan` (the value isn't finite), `outside` (not as
`ok_when` says), `garbled` (not an answer of Prometheus), `status N` (400: it can't read the query),
and those of a connection: `refused`, `reset`, `closed`, `timeout`, `unreachable`, `unresolved`,
`tls`, `error`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

import aiohttp

from sloproof.contracts import Probe, Sample
from sloproof.run.own_requests import REQUEST_ID, USER_AGENT, request_id
from sloproof.run.probes.http import failed
from sloproof.run.probes.prometheus import Comparison, compared

API = "/api/v1/query"


@dataclass(frozen=True, kw_only=True)
class Promql(Probe):
    """Asks the Prometheus server at `url` for `query`, as it is now.

    `ok_when` holds limits that a good value keeps, such as `{lte: 0.9}`.
    """

    kind: ClassVar[str] = "promql"
    overlaps: ClassVar[bool] = True

    url: str
    query: str
    headers: Mapping[str, str] = field(default_factory=dict)
    ok_when: Mapping[Comparison, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.url.startswith(("http://", "https://")):
            raise ValueError(f"url: {self.url!r} begins with neither http:// nor https://")
        if not self.query.strip():
            raise ValueError("query: nothing is asked")

    @cached_property
    def _session(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
            headers={"user-agent": USER_AGENT, REQUEST_ID: request_id(), **self.headers},
        )

    async def sample(self) -> Sample:
        """Ask once."""
        where = f"{self.url.rstrip('/')}{API}"
        try:
            async with self._session.get(
                where, params={"query": self.query}, allow_redirects=False
            ) as answer:
                if answer.status != 200:
                    return Sample(ok=False, detail=f"status {answer.status}")
                body = await answer.read()
        except (aiohttp.ClientError, OSError) as error:
            return failed(error)
        return self.read(body)

    def read(self, body: bytes) -> Sample:
        """The sample that an answer gives."""
        try:
            found = _values(json.loads(body)["data"])
        except (ValueError, TypeError, KeyError, LookupError):
            return Sample(ok=False, detail="garbled")
        if len(found) != 1:
            return Sample(ok=False, detail="ambiguous" if found else "missing")
        return compared(found[0], self.ok_when)

    async def close(self) -> None:
        """Close the pool."""
        await self._session.close()


def _values(data: Mapping[str, Any]) -> list[float]:
    """The values of an instant query's answer: a vector's series, or a scalar."""
    result = data["result"]
    if data["resultType"] == "scalar":
        return [float(result[1])]
    if data["resultType"] != "vector":
        raise ValueError(data["resultType"])
    return [float(series["value"][1]) for series in result]
