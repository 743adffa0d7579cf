"""The load while it runs: what the raw records of the last seconds say."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sloproof.record.schema import NEVER, RequestKind, RequestOutcome
from sloproof.record.writer import REQUEST_COLUMNS
from sloproof.run.load.records import Batch, WorkerFiles, columns, quantile, workers_in

CHUNK = 1 << 16
BLOCK = 200_000_000
"""How often rows arrive, in nanoseconds; a rate over less would be of nothing or of a burst."""
Predicate = Callable[[Mapping[str, NDArray[Any]], Sequence[RequestKind]], NDArray[np.bool_]]
"""From columns and kinds to one truth a row."""


@dataclass(frozen=True, slots=True)
class Live:
    """The last seconds in figures, for people who watch.

    `rate` is of finished requests a second; `error_ratio` counts all that are not OK, and is None
    without requests; `p50_ns` and `p99_ns` are of latency from the intended time, None where that
    quantile is a request without an answer; `arrivals` and `in_flight` come from the generator's
    own progress, about twice a second.
    """

    rate: float
    error_ratio: float | None
    p50_ns: int | None
    p99_ns: int | None
    arrivals: int = 0
    in_flight: int = 0


@dataclass(frozen=True, slots=True)
class Recent:
    """The requests of a window, absolute times; `kinds` is what the column `kind` points into."""

    rows: Batch
    kinds: Sequence[RequestKind]
    errors: Sequence[str]

    def __len__(self) -> int:
        return len(self.rows["intended"])

    @property
    def failed(self) -> int:
        """How many are not OK."""
        return int((self.rows["outcome"] != RequestOutcome.OK).sum())

    def count(self, predicate: Predicate) -> int:
        """How many rows `predicate` is true of."""
        return int(predicate(self.rows, self.kinds).sum())


class LiveTail:
    """Follows a load folder; keeps the last `keep_ns` in memory, whatever the load."""

    def __init__(self, folder: Path, keep_ns: int = 60_000_000_000) -> None:
        self._folder = folder
        self._keep = keep_ns
        self._read: dict[int, int] = {}
        self._batches: list[Batch] = []
        self._kinds: list[RequestKind] = []
        self._errors = [""]

    def advance(self, now: int) -> None:
        """Read what was written since the last call; forget what is older than the window."""
        for number in workers_in(self._folder):
            files = WorkerFiles(self._folder, number)
            done = self._read.get(number, 0)
            # The rows first: their names are then on disk, as they were written before.
            news = [rows for rows in files.batches(CHUNK, done) if len(rows)]
            if not news:
                continue
            codes = files.recode(self._kinds, self._errors)
            for rows in news:
                done += len(rows)
                self._batches.append(columns(rows, codes, files.clock.offset_ns))
            self._read[number] = done
        kept = (_after(batch, now - self._keep) for batch in self._batches)
        self._batches = [batch for batch in kept if len(batch["intended"])]

    def since(self, begin: int) -> Recent:
        """The requests that ended, or were refused, at or after `begin`."""
        found = [_after(batch, begin) for batch in self._batches]
        rows = {
            name: np.concatenate([np.zeros(0, kind), *(batch[name] for batch in found)])
            for name, kind in REQUEST_COLUMNS.items()
        }
        return Recent(rows, self._kinds, self._errors)

    def live(self, now: int, over_ns: int = 5_000_000_000, begun: int = 0) -> Live:
        """The figures of the last `over_ns`, or of the shorter time since the load has `begun`."""
        begin = max(now - over_ns, begun)
        recent = self.since(begin)
        if not len(recent):
            return Live(0.0, None, None, None)
        finished = recent.rows["finished"]
        answered = (recent.rows["outcome"] == RequestOutcome.OK) & (finished != NEVER)
        latency = np.where(answered, finished - recent.rows["intended"], NEVER)
        p50, p99 = (quantile(latency, q) for q in (0.5, 0.99))
        return Live(
            rate=len(recent) / (max(now - begin, BLOCK) / 1e9),
            error_ratio=recent.failed / len(recent),
            p50_ns=None if p50 == NEVER else p50,
            p99_ns=None if p99 == NEVER else p99,
        )


def _after(batch: Batch, begin: int) -> Batch:
    moment = np.where(batch["finished"] == NEVER, batch["intended"], batch["finished"])
    inside = moment >= begin
    if inside.all():
        return batch
    return {name: column[inside] for name, column in batch.items()}
