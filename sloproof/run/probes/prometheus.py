"""`prometheus`: what one series of a metrics page says.

`value` is the series' value. Details: `missing` (no such series), `ambiguous` (several match:
name more labels), `nan` (the value isn't finite), `outside` (not as `ok_when` says), `garbled`,
`status N`, and those of a connection: `refused`, `reset`, `closed`, `timeout`, `unreachable`,
`unresolved`, `tls`, `error`.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar, Literal

import aiohttp

from sloproof.contracts import Probe, Sample
from sloproof.run.own_requests import REQUEST_ID, USER_AGENT, request_id
from sloproof.run.probes.http import failed

Comparison = Literal["lt", "lte", "gt", "gte"]

_COMPARE = {"lt": operator.lt, "lte": operator.le, "gt": operator.gt, "gte": operator.ge}
_LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*\s*=\s*"(?:[^"\\\n]|\\.)*"'
_ONE_LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)\s*=\s*"((?:[^"\\\n]|\\.)*)"')
_ESCAPED = re.compile(r"\\(.)")


@dataclass(frozen=True, kw_only=True)
class Prometheus(Probe):
    """Reads `metric` at `url`: the one series that has all of `labels`, perhaps among others.

    `ok_when` holds limits that a good value keeps, such as `{lte: 0.9}`.
    """

    kind: ClassVar[str] = "prometheus"
    overlaps: ClassVar[bool] = True

    url: str
    metric: str
    labels: Mapping[str, str] = field(default_factory=dict)
    ok_when: Mapping[Comparison, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-zA-Z_:][a-zA-Z0-9_:]*", self.metric):
            raise ValueError(f"metric: {self.metric!r} is not a metric's name")

    @cached_property
    def _session(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
            headers={"user-agent": USER_AGENT, REQUEST_ID: request_id(), "accept": "text/plain"},
        )

    @cached_property
    def _series(self) -> re.Pattern[str]:
        labels = rf"(?:\{{\s*((?:{_LABEL}\s*,?\s*)*)\}})?"
        return re.compile(rf"^{self.metric}{labels}[ \t]+(\S+)", re.MULTILINE)

    async def sample(self) -> Sample:
        """Fetch the page and read the series."""
        try:
            async with self._session.get(self.url, allow_redirects=False) as answer:
                if answer.status != 200:
                    return Sample(ok=False, detail=f"status {answer.status}")
                page = await answer.text("utf-8", "replace")
        except (aiohttp.ClientError, OSError) as error:
            return failed(error)
        return self.read(page)

    def read(self, page: str) -> Sample:
        """The sample that a metrics page gives."""
        found = [
            number
            for labels, number in self._series.findall(page)
            if self.labels.items() <= _labels(labels).items()
        ]
        if len(found) != 1:
            return Sample(ok=False, detail="ambiguous" if found else "missing")
        try:
            value = float(found[0])
        except ValueError:
            return Sample(ok=False, detail="garbled")
        return compared(value, self.ok_when)

    async def close(self) -> None:
        """Close the pool."""
        await self._session.close()


def compared(value: float, ok_when: Mapping[Comparison, float]) -> Sample:
    """The sample of a value that should keep these limits."""
    kept = all(_COMPARE[name](value, limit) for name, limit in ok_when.items())
    return Sample(ok=kept, value=value, detail="" if kept else "outside")


def _labels(text: str) -> dict[str, str]:
    return {name: _ESCAPED.sub(_unescaped, value) for name, value in _ONE_LABEL.findall(text)}


def _unescaped(found: re.Match[str]) -> str:
    return "\n" if found[1] == "n" else found[1]
