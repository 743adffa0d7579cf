"""Raw records on their way out of the generator: rows of a fixed size, appended in blocks.

`requests-W.bin` holds worker W's rows, `names-W.jsonl` what their `kind` and `error` point to; a
name is on disk before the first row that uses it. Times are absolute CLOCK_MONOTONIC nanoseconds
of the worker's host.
"""

from __future__ import annotations

import json
import os
import struct
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from sloproof.record.schema import RequestKind, RequestOutcome
from sloproof.run.load.naming import normalised_error

FIELDS = {
    "intended": "<i8",
    "sent": "<i8",
    "finished": "<i8",
    "arrival": "<u4",
    "kind": "<u2",
    "outcome": "u1",
    "late": "u1",
    "status": "<i2",
    "error": "<u2",
    "size": "<u4",
    "first": "u1",
}
"""The columns of a record's requests, and whether the row is the first of its arrival."""

ROW = struct.Struct("<qqqIHBBhHIB")
BLOCK = 4096
MOST_KINDS = 1000
MOST_ERRORS = 200
OTHER = "other errors"


@dataclass(slots=True)
class Row:
    """One request, as far as it got."""

    intended: int
    sent: int
    finished: int
    arrival: int
    kind: int
    outcome: RequestOutcome
    late: bool = False
    status: int = 0
    error: int = 0
    size: int = 0
    first: bool = True


class Sink(Protocol):
    """Where rows and names go: the run's folder, or a master on another machine."""

    def rows(self, block: memoryview) -> None:
        """Take whole rows, as bytes."""

    def name(self, line: dict[str, Any]) -> None:
        """Take what a new kind or error stands for."""


class FolderSink:
    """Files of worker `worker` in the run's folder; one write a block."""

    def __init__(self, folder: Path, worker: int) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        self._rows = os.open(folder / f"requests-{worker}.bin", flags, 0o600)
        self._names = os.open(folder / f"names-{worker}.jsonl", flags, 0o600)

    def rows(self, block: memoryview) -> None:
        """Append whole rows."""
        while block:
            block = block[os.write(self._rows, block) :]

    def name(self, line: dict[str, Any]) -> None:
        """Append a line to the names."""
        os.write(self._names, json.dumps(line, separators=(",", ":")).encode() + b"\n")


class RowWriter:
    """Collects rows into blocks; a full one goes out at once, `flush` sends what there is."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._buffer = bytearray(ROW.size * BLOCK)
        self._filled = 0
        self._kinds: dict[RequestKind, int] = {}
        self._errors: dict[str, int] = {"": 0}
        self._texts: dict[str, int] = {"": 0}

    def write(self, row: Row) -> None:
        """Add one row."""
        ROW.pack_into(
            self._buffer,
            self._filled,
            row.intended,
            row.sent,
            row.finished,
            row.arrival,
            row.kind,
            row.outcome,
            row.late,
            min(max(row.status, 0), 999),
            row.error,
            min(row.size, 0xFFFFFFFF),
            row.first,
        )
        self._filled += ROW.size
        if self._filled == len(self._buffer):
            self.flush()

    def flush(self) -> None:
        """Send the rows that wait, as one block."""
        if self._filled:
            self._sink.rows(memoryview(self._buffer)[: self._filled])
            self._filled = 0

    def kind(self, kind: RequestKind) -> int:
        """The code of `kind`; past the thousandth, one that only keeps profile and method."""
        code = self._kinds.get(kind)
        if code is not None:
            return code
        if len(self._kinds) >= MOST_KINDS:
            kind = RequestKind(kind.profile, "other requests", kind.method, "*")
            if kind in self._kinds:
                return self._kinds[kind]
        code = self._kinds[kind] = len(self._kinds)
        self._sink.name({"kind": code, **asdict(kind)})
        return code

    def error(self, text: str) -> int:
        """The code of the error `text`, without what makes each one unique; 0 is none."""
        code = self._texts.get(text)
        if code is None:
            code = self._error(normalised_error(text))
            if len(self._texts) < 2 * MOST_ERRORS:
                self._texts[text] = code
        return code

    def _error(self, text: str) -> int:
        if text not in self._errors:
            text = text if len(self._errors) <= MOST_ERRORS else OTHER
        code = self._errors.setdefault(text, len(self._errors))
        if code == len(self._errors) - 1:
            self._sink.name({"error": code, "text": text})
        return code
