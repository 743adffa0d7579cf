"""The requests of a record, read once and held small, so that one pass serves every claim."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sloproof.contracts import Window
from sloproof.record.reader import Batch, Record
from sloproof.record.schema import NEVER, RequestKind, RequestOutcome

COLUMNS = ("intended", "finished", "kind", "outcome", "status")
_SHORT = np.uint32(2**32 - 1)
"""Stands for NEVER among latencies short enough for 32 bits."""
_STATUSES = 1024
_OUTCOMES = 8


@dataclass(frozen=True, slots=True)
class Sort:
    """What requests of one sort have in common; all that a matcher asks but the latency."""

    kind: RequestKind
    status: int
    outcome: RequestOutcome

    @property
    def answered(self) -> bool:
        """Whether an answer came at all."""
        return self.outcome is RequestOutcome.OK or (
            self.outcome is RequestOutcome.ERROR and self.status > 0
        )


@dataclass(frozen=True, slots=True, eq=False)
class Chunk:
    """A stretch of the requests. `sort` points into `Requests.sorts`.

    Latencies are whole nanoseconds from the intended time; the largest value of their type is
    NEVER.
    """

    intended: NDArray[np.int64]
    latency: NDArray[Any]
    sort: NDArray[Any]
    first: int
    last: int

    def inside(self, window: Window) -> NDArray[np.bool_] | slice | None:
        """Which rows lie in `window`: None for none, a slice for all."""
        if self.first >= window.end or self.last < window.begin:
            return None
        if window.begin <= self.first and self.last < window.end:
            return slice(None)
        return (self.intended >= window.begin) & (self.intended < window.end)

    def finite(self, rows: NDArray[np.bool_]) -> NDArray[np.int64]:
        """The latencies of `rows`, with NEVER as the record writes it."""
        chosen = self.latency[rows]
        wide = chosen.astype(np.int64)
        if chosen.dtype == np.uint32:
            wide[chosen == _SHORT] = NEVER
        return wide


@dataclass(slots=True, eq=False)
class Requests:
    """All requests of a record, in chunks."""

    chunks: list[Chunk] = field(default_factory=list)
    sorts: list[Sort] = field(default_factory=list)

    def __len__(self) -> int:
        return sum(len(chunk.intended) for chunk in self.chunks)

    def rows(self, window: Window) -> Iterator[tuple[Chunk, NDArray[np.bool_] | slice]]:
        """The chunks that reach into `window`, each with its rows inside."""
        for chunk in self.chunks:
            inside = chunk.inside(window)
            if inside is not None:
                yield chunk, inside

    def count(self, window: Window) -> int:
        """How many requests were meant to start in `window`."""
        return sum(
            len(chunk.intended) if isinstance(rows, slice) else int(np.count_nonzero(rows))
            for chunk, rows in self.rows(window)
        )


def read_requests(
    record: Record, columns: tuple[str, ...] = (), *observers: Callable[[Batch], None]
) -> Requests:
    """One pass over the requests; `observers` see each batch with `columns` beside ours."""
    kinds = record.request_kinds
    requests = Requests()
    numbers = np.full(max(1, len(kinds)) * _STATUSES * _OUTCOMES, -1, dtype=np.int32)
    for batch in record.requests(tuple(dict.fromkeys((*COLUMNS, *columns)))):
        for observe in observers:
            observe(batch)
        if len(batch["intended"]):
            requests.chunks.append(_chunk(batch, kinds, numbers, requests.sorts))
    return requests


def _chunk(
    batch: Batch, kinds: list[RequestKind], numbers: NDArray[np.int32], sorts: list[Sort]
) -> Chunk:
    intended = batch["intended"]
    return Chunk(
        intended=intended.copy(),
        latency=_latency(intended, batch["finished"]),
        sort=_sorted_out(batch, kinds, numbers, sorts),
        first=int(intended.min()),
        last=int(intended.max()),
    )


def _latency(intended: NDArray[np.int64], finished: NDArray[np.int64]) -> NDArray[Any]:
    latency: NDArray[np.int64] = np.maximum(finished - intended, 0)
    never = finished == NEVER
    latency[never] = 0
    if int(latency.max()) < int(_SHORT):
        short: NDArray[np.uint32] = latency.astype(np.uint32)
        short[never] = _SHORT
        return short
    latency[never] = NEVER
    return latency


def _sorted_out(
    batch: Batch, kinds: list[RequestKind], numbers: NDArray[np.int32], sorts: list[Sort]
) -> NDArray[Any]:
    """The sort of each row; `numbers` remembers which one each combination got."""
    status = np.clip(batch["status"], 0, _STATUSES - 1).astype(np.uint32)
    keys = (batch["kind"].astype(np.uint32) * _STATUSES + status) * _OUTCOMES + batch["outcome"]
    found: NDArray[np.int32] = numbers[keys]
    if (found < 0).any():
        for key in np.unique(keys[found < 0]).tolist():
            rest, outcome = divmod(key, _OUTCOMES)
            kind, code = divmod(rest, _STATUSES)
            numbers[key] = len(sorts)
            sorts.append(Sort(kinds[kind], code, RequestOutcome(outcome)))
        found = numbers[keys]
    small: NDArray[np.uint16] = found.astype(np.uint16)
    return small if len(sorts) < 2**16 else found
