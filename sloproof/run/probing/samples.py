"""The file of samples: written by the prober, read by the engine, one JSON array a line.

A line is `[probe, intended, sent, finished, ok, value, detail]`, times in nanoseconds of
CLOCK_MONOTONIC. A torn last line is one whose writer was killed or still writes; it is not read.
"""

from __future__ import annotations

import json
import os
import sys
from array import array
from collections import deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import nan
from pathlib import Path
from typing import Any

from sloproof.contracts import Sample
from sloproof.errors import ProberError

KEPT_PER_PROBE = 4096

Columns = dict[str, Sequence[Any]]


@dataclass(frozen=True, slots=True)
class Taken:
    """A sample as it was taken: by which probe and when, in nanoseconds of one clock."""

    probe: str
    intended: int
    sent: int
    finished: int
    ok: bool
    value: float | None
    detail: str


class SampleWriter:
    """The prober's end. Lines wait for `flush`, so the file's owner decides what a kill may cost.

    Raises `OSError` from `flush`, for instance when the disk is full.
    """

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._lines: list[str] = []
        self.count = 0

    def add(self, probe: str, times: tuple[int, int, int], sample: Sample) -> None:
        """Add the sample of `probe` that was intended, sent and finished at `times`."""
        row = [probe, *times, sample.ok, sample.value, sample.detail]
        self._lines.append(json.dumps(row, separators=(",", ":"), allow_nan=False))
        self.count += 1

    def flush(self) -> None:
        """Hand all lines to the kernel, which keeps them whatever becomes of this process."""
        if not self._lines:
            return
        waiting = memoryview(("\n".join(self._lines) + "\n").encode())
        self._lines.clear()
        while waiting:
            waiting = waiting[os.write(self._fd, waiting) :]

    def close(self) -> None:
        """Flush and close the file."""
        self.flush()
        os.close(self._fd)


def read_samples(path: Path) -> Iterator[Taken]:
    """All whole samples in the file's order; none if there is no file.

    Raises `ProberError` naming the line that is none.
    """
    if not path.is_file():
        return
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if line.endswith(b"\n"):
                yield _taken(line, path, number)


class Tail:
    """The newest samples during the run, read as they come and kept in bounded memory."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self._kept: dict[str, deque[Taken]] = {}

    def poll(self) -> list[Taken]:
        """The samples that came since the last call, in the file's order."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                arrived = file.read()
        except FileNotFoundError:
            return []
        whole = arrived[: arrived.rfind(b"\n") + 1]
        self._offset += len(whole)
        found = [_taken(line, self._path, 0) for line in whole.splitlines()]
        for taken in found:
            self._kept.setdefault(taken.probe, deque(maxlen=KEPT_PER_PROBE)).append(taken)
        return found

    def recent(self, name: str, since_ns: int = 0) -> list[Taken]:
        """The newest samples of one probe that finished at `since_ns` or later.

        At most `KEPT_PER_PROBE`, in the order in which they finished; `since_ns` is on the same
        clock as the samples.
        """
        self.poll()
        return [taken for taken in self._kept.get(name, ()) if taken.finished >= since_ns]


def probe_columns(samples: Iterator[Taken], origin_ns: int) -> Columns:
    """The columns of `probes.parquet`: times from `origin_ns`, NaN where there is no value."""
    times = {name: array("q") for name in ("intended", "sent", "finished")}
    probes: list[str] = []
    good: list[bool] = []
    values = array("d")
    details: list[str] = []
    for taken in samples:
        probes.append(taken.probe)
        for name, column in times.items():
            column.append(getattr(taken, name) - origin_ns)
        good.append(taken.ok)
        values.append(nan if taken.value is None else taken.value)
        details.append(taken.detail)
    return {"probe": probes, **times, "ok": good, "value": values, "detail": details}


def signal_columns(
    samples: Iterator[Taken], origin_ns: int, signals: Mapping[str, Mapping[str, str]]
) -> Columns:
    """The columns of `signals.parquet` from the samples of the probes named in `signals`.

    `signals` gives each one's labels. `time` is when the answer was complete, from `origin_ns`; a
    sample without a value stays as NaN, so that a gap in a signal can be seen.
    """
    labels = {name: json.dumps(dict(pairs), sort_keys=True) for name, pairs in signals.items()}
    rows = [taken for taken in samples if taken.probe in labels]
    return {
        "signal": [taken.probe for taken in rows],
        "time": array("q", (taken.finished - origin_ns for taken in rows)),
        "value": array("d", (nan if taken.value is None else taken.value for taken in rows)),
        "labels": [labels[taken.probe] for taken in rows],
    }


def without(samples: Iterator[Taken], names: Collection[str]) -> Iterator[Taken]:
    """The samples of all probes but the named ones."""
    return (taken for taken in samples if taken.probe not in names)


def _taken(line: bytes, path: Path, number: int) -> Taken:
    try:
        probe, intended, sent, finished, ok, value, detail = json.loads(line)
    except ValueError as error:
        place = f"{path}:{number}" if number else str(path)
        raise ProberError(f"{place}: not a sample: {line[:80]!r}: {error}") from error
    return Taken(sys.intern(probe), intended, sent, finished, ok, value, sys.intern(detail))
