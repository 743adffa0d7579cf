"""Raw records read back: all workers' files, on the engine's clock, in a record's columns."""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sloproof.record.schema import NEVER, RequestKind, RequestOutcome
from sloproof.record.writer import REQUEST_COLUMNS
from sloproof.run.load.clocks import ClockOffset
from sloproof.run.load.rows import FIELDS

DTYPE = np.dtype(list(FIELDS.items()))
BATCH = 1 << 18
Batch = dict[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class LoadFacts:
    """What the rows say about the generator itself.

    `late` and `no_slot` count arrivals; `lateness_p99_ns` and `lateness_max_ns` are how much later
    than intended the first request of an arrival was sent. `clock_error_ns` is the largest error
    of a worker's clock; `finished_normally` whether the generator said that it was done, and
    `planned` and `started` what it said (0 if it didn't).
    """

    requests: int
    arrivals: int
    late: int
    no_slot: int
    lateness_p99_ns: int
    lateness_max_ns: int
    clock_error_ns: int
    planned: int = 0
    started: int = 0
    finished_normally: bool = False


@dataclass(eq=False)
class Requests:
    """The requests of a load folder: `batches` once through, then `facts`.

    `kinds` and `errors` are what the columns `kind` and `error` point into.
    """

    folder: Path
    origin_ns: int
    kinds: list[RequestKind] = field(default_factory=list)
    errors: list[str] = field(default_factory=lambda: [""])

    def __post_init__(self) -> None:
        self._workers = [WorkerFiles(self.folder, number) for number in workers_in(self.folder)]
        self._codes = [worker.recode(self.kinds, self.errors) for worker in self._workers]

    def batches(self) -> Iterator[Batch]:
        """All requests, a worker after the other, in the columns of `REQUEST_COLUMNS`."""
        for worker, codes in zip(self._workers, self._codes, strict=True):
            for rows in worker.batches(BATCH):
                yield columns(rows, codes, worker.clock.offset_ns + self.origin_ns)

    @cached_property
    def facts(self) -> LoadFacts:
        """Counts and lateness over all rows; reads the files once more."""
        requests = arrivals = late = no_slot = 0
        lateness = [np.zeros(0, np.int64)]
        for worker in self._workers:
            for rows in worker.batches(BATCH):
                first = rows[rows["first"] == 1]
                refused = first["outcome"] == RequestOutcome.NO_SLOT
                requests += len(rows)
                arrivals += len(first)
                late += int(first["late"].sum())
                no_slot += int(refused.sum())
                started = first[~refused]
                lateness.append(started["sent"] - started["intended"])
        done = _done(self.folder)
        all_lateness = np.concatenate(lateness)
        return LoadFacts(
            requests=requests,
            arrivals=arrivals,
            late=late,
            no_slot=no_slot,
            lateness_p99_ns=quantile(all_lateness, 0.99),
            lateness_max_ns=quantile(all_lateness, 1.0),
            clock_error_ns=max((w.clock.error_ns for w in self._workers), default=0),
            planned=int(done.get("planned", 0)),
            started=int(done.get("started", 0)),
            finished_normally=bool(done),
        )


def read_requests(folder: Path, origin_ns: int) -> Requests:
    """The requests in a load folder, in nanoseconds from `origin_ns`; torn last rows are left out.

    For a folder that is no longer written to; `LiveTail` follows one that is.
    """
    return Requests(folder, origin_ns)


@dataclass(frozen=True, slots=True)
class Codes:
    """Where a worker's own codes lie in the merged lists."""

    kinds: NDArray[np.uint16]
    errors: NDArray[np.uint16]


class WorkerFiles:
    """The files of one worker."""

    def __init__(self, folder: Path, number: int) -> None:
        self._rows = folder / f"requests-{number}.bin"
        self._names = folder / f"names-{number}.jsonl"
        clock = folder / f"clock-{number}.json"
        self.clock = ClockOffset()
        if clock.is_file():
            self.clock = ClockOffset(**json.loads(clock.read_text(encoding="utf-8")))

    def batches(self, size: int, begin: int = 0) -> Iterator[NDArray[np.void]]:
        """Whole rows from the `begin`-th on, `size` at a time.

        Ends where the file ended when it was looked at: a row that is being written is the next
        reading's, for half of it may be there now, and the other half a moment later.
        """
        with self._rows.open("rb") as file:
            file.seek(begin * DTYPE.itemsize)
            more = True
            while more:
                data = file.read(size * DTYPE.itemsize)
                yield np.frombuffer(data, DTYPE, len(data) // DTYPE.itemsize)
                more = len(data) == size * DTYPE.itemsize

    def recode(self, kinds: list[RequestKind], errors: list[str]) -> Codes:
        """Read the names; append what is new to `kinds` and `errors`; say where each one is."""
        own_kinds: list[int] = []
        own_errors = [0]
        places = {item: place for found in (kinds, errors) for place, item in enumerate(found)}
        for line in _lines(self._names):
            if "kind" in line:
                del line["kind"]
                own_kinds.append(_place(kinds, RequestKind(**line), places))
            else:
                own_errors.append(_place(errors, str(line["text"]), places))
        return Codes(np.array(own_kinds, np.uint16), np.array(own_errors, np.uint16))


def workers_in(folder: Path) -> list[int]:
    """The numbers of the workers that have written rows."""
    return sorted(int(path.stem.partition("-")[2]) for path in folder.glob("requests-*.bin"))


def columns(rows: NDArray[np.void], codes: Codes, origin_ns: int) -> Batch:
    """Rows in a record's columns, from `origin_ns`; NEVER stays NEVER."""
    batch = {name: rows[name].astype(kind) for name, kind in REQUEST_COLUMNS.items()}
    batch["intended"] -= origin_ns
    batch["sent"] -= origin_ns
    batch["finished"][batch["finished"] != NEVER] -= origin_ns
    batch["kind"] = codes.kinds[batch["kind"]]
    batch["error"] = codes.errors[batch["error"]]
    return batch


def quantile(values: NDArray[Any], q: float) -> int:
    """The smallest value that at least a share `q` of `values` does not exceed; 0 without any."""
    if not len(values):
        return 0
    rank = max(0, int(np.ceil(q * len(values))) - 1)
    return int(np.partition(values, rank)[rank])


def _place(found: list[Any], item: Hashable, places: dict[Any, int]) -> int:
    place = places.setdefault(item, len(found))
    if place == len(found):
        found.append(item)
    return place


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    if path.is_file():
        for line in path.read_bytes().splitlines(keepends=True):
            if line.endswith(b"\n"):
                yield json.loads(line)


def _done(folder: Path) -> Mapping[str, Any]:
    messages = [line for line in _lines(folder / "status.jsonl") if line.get("is") == "done"]
    return messages[-1] if messages else {}
