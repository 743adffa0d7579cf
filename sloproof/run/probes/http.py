"""`http`: does a URL answer as it should.

`value` is the time from asking to the whole answer, in seconds; an answer that isn't good has one
too. Details: `status N`, `missing` (the text isn't in the body), `slow` (good, but not `within`),
`garbled` (not HTTP), `tls`, `refused`, `reset`, `closed`, `timeout`, `unreachable`, `unresolved`,
`error`. Redirects are answers, not followed. Requests carry the user agent `sloproof-witness`
unless `headers` name another. On a kept connection that the server has closed in the meantime, an
idempotent request is sent once more, as HTTP clients do.

Requests ask caches between here and the service to step aside (`cache-control: no-cache`). An
answer that says that it comes from one all the same has the detail `cached`, though it is good:
what a cache remembers says nothing about the service, and the judge goes by that. It is said by an
`age` above 0 (RFC 9111, 5.1), `cache-status` with a `hit` (RFC 9211), or an `x-cache` that begins
with `hit`.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from time import monotonic_ns
from typing import TYPE_CHECKING, Any, ClassVar

import aiohttp

from sloproof.contracts import Duration, Probe, Sample
from sloproof.run.own_requests import REQUEST_ID, USER_AGENT, request_id

if TYPE_CHECKING:
    from collections.abc import Collection


@dataclass(frozen=True, kw_only=True)
class Http(Probe):
    """Sends `method` to `url`, with `json` as the body if given.

    `expect` are the good statuses (`200`, `2xx`), `text` what the body must contain, `within` how
    fast a good answer comes. Connections are kept in a pool unless `fresh`; `ca` is a file of
    certificates to trust instead of the system's.
    """

    kind: ClassVar[str] = "http"
    overlaps: ClassVar[bool] = True

    url: str
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    json: Any = None
    expect: tuple[int | str, ...] = ("2xx",)
    text: str = ""
    within: Duration | None = None
    fresh: bool = False
    ca: str = ""

    def __post_init__(self) -> None:
        if not self.url.startswith(("http://", "https://")):
            raise ValueError(f"url: {self.url!r} begins with neither http:// nor https://")
        if wrong := [each for each in self.expect if not _is_status(str(each))]:
            raise ValueError(f"expect: {wrong[0]!r} is no status (try 200 or 2xx)")

    @cached_property
    def _session(self) -> aiohttp.ClientSession:
        context = ssl.create_default_context(cafile=self.ca) if self.ca else True
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=context, limit=0, force_close=self.fresh),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
            headers={
                "user-agent": USER_AGENT,
                "cache-control": "no-cache",
                REQUEST_ID: request_id(),
                **self.headers,
            },
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    async def open(self) -> None:
        """Make the pool, without connecting; a `ca` that can't be read is found here."""
        _ = self._session

    async def sample(self) -> Sample:
        """Send one request."""
        began = monotonic_ns()
        try:
            async with self._session.request(
                self.method, self.url, json=self.json, allow_redirects=False
            ) as answer:
                body = await answer.read()
        except (aiohttp.ClientError, OSError) as error:
            return failed(error)
        took = (monotonic_ns() - began) / 1e9
        word = self._fault(answer.status, body, took)
        good = not word
        if good and _from_cache(answer.headers):
            word = "cached"
        return Sample(ok=good, value=took, detail=word)

    def _fault(self, status: int, body: bytes, took: float) -> str:
        if not _expected(status, self.expect):
            return f"status {status}"
        if self.text.encode() not in body:
            return "missing"
        return "slow" if self.within is not None and took > self.within.seconds else ""

    async def close(self) -> None:
        """Close the pool."""
        await self._session.close()


def failed(error: aiohttp.ClientError | OSError) -> Sample:
    """The sample of a request that got no answer."""
    match error:
        case ssl.SSLError() | aiohttp.ClientSSLError():
            return Sample(ok=False, detail="tls")
        case aiohttp.ServerDisconnectedError() | aiohttp.ClientPayloadError():
            return Sample(ok=False, detail="closed")
        case aiohttp.ClientResponseError():
            return Sample(ok=False, detail="garbled")
    return Sample.failed(error)


def _from_cache(headers: Mapping[str, str]) -> bool:
    """Whether an answer says that the service did not give it now."""
    age = headers.get("age", "").strip()
    hits = re.search(r";\s*hit\b", headers.get("cache-status", ""), re.IGNORECASE)
    told = headers.get("x-cache", "").strip().lower().startswith("hit")
    return (age.isdigit() and int(age) > 0) or hits is not None or told


def _is_status(text: str) -> bool:
    return len(text) == 3 and text[0] in "12345" and (text[1:] == "xx" or text[1:].isdigit())


def _expected(status: int, expect: Collection[int | str]) -> bool:
    return any(str(each) in (str(status), f"{status // 100}xx") for each in expect)
