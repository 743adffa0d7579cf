"""Rows of the ledger: of a fixed size, each handed to the kernel before anything else happens.

A write has two rows. The first, *sent*, is there before a byte of the write leaves this process;
the second, with the outcome, follows as soon as the answer has come. So whoever kills the ledger,
at any moment, leaves one of: no row (never sent), a first row alone (sent, fate unknown: it is
read as indeterminate), both rows. An acknowledged write is never missing, and one whose
acknowledgement had not been noted yet was not acknowledged *to the ledger*. Where a row can't be
written, nothing is sent. Rows survive the process, not a loss of power of this machine.
"""

from __future__ import annotations

import errno
import os
import struct
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sloproof.record.schema import NEVER, WriteOutcome

ROW = struct.Struct("<qqqIB23s")
"""Intended, sent, finished (CLOCK_MONOTONIC nanoseconds), sequence, outcome, detail."""
_SENT = 255
"""The outcome in a first row."""
FILE = "writes.bin"


@dataclass(frozen=True, slots=True)
class Write:
    """One write, as far as it got; `detail` is a word or two on what isn't acknowledged."""

    sequence: int
    intended: int
    sent: int = NEVER
    finished: int = NEVER
    outcome: WriteOutcome = WriteOutcome.INDETERMINATE
    detail: str = ""


def write_id(run: str, sequence: int) -> str:
    """The id of a write: unique among all runs."""
    return f"{run}-{sequence:06d}"


def sequence_of(run: str, found: str) -> int:
    """The sequence number in an id; -1 where the ledger of this run gives no such id."""
    digits = found.removeprefix(f"{run}-")
    known = digits.isdecimal() and digits.isascii() and write_id(run, int(digits)) == found
    return int(digits) if known else -1


class RowFile:
    """The writing end; one process, one file. Raises `OSError` where a row can't be kept whole."""

    def __init__(self, folder: Path) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        self._fd = os.open(folder / FILE, flags, 0o600)
        self._end = os.fstat(self._fd).st_size

    def sending(self, write: Write) -> None:
        """Note that a write is about to be sent."""
        self._append(write, _SENT)

    def ended(self, write: Write) -> None:
        """Note what became of it."""
        self._append(write, write.outcome)

    def close(self) -> None:
        """Hand everything to the disk, and close."""
        os.fsync(self._fd)
        os.close(self._fd)

    def _append(self, write: Write, outcome: int) -> None:
        detail = write.detail.encode("ascii", "replace")[:23]
        row = ROW.pack(write.intended, write.sent, write.finished, write.sequence, outcome, detail)
        if os.write(self._fd, row) != ROW.size:
            os.ftruncate(self._fd, self._end)  # half a row would put all later ones out of step
            raise OSError(errno.ENOSPC, "only a part of a row was written")
        self._end += ROW.size


def read_rows(folder: Path) -> list[Write]:
    """Every write in order of its sequence; a torn last row is one that was never written.

    A write that has its first row alone is indeterminate.
    """
    path = folder / FILE
    raw = path.read_bytes() if path.is_file() else b""
    found: dict[int, Write] = {}
    for intended, sent, finished, sequence, outcome, detail in ROW.iter_unpack(
        raw[: len(raw) // ROW.size * ROW.size]
    ):
        words = detail.rstrip(b"\0").decode("ascii", "replace")
        write = Write(sequence, intended, sent, finished, detail=words)
        if outcome == _SENT:
            found.setdefault(sequence, replace(write, detail="unfinished"))
        else:
            found[sequence] = replace(write, outcome=WriteOutcome(outcome))
    return [found[sequence] for sequence in sorted(found)]


def columns(writes: Sequence[Write], run: str, origin: int) -> dict[str, Sequence[Any]]:
    """The columns of `writes.parquet`, times from `origin`."""

    def time(name: str) -> array[int]:
        values = (getattr(write, name) for write in writes)
        return array("q", (NEVER if value == NEVER else value - origin for value in values))

    return {
        "sequence": array("q", (write.sequence for write in writes)),
        "id": [write_id(run, write.sequence) for write in writes],
        "intended": time("intended"),
        "sent": time("sent"),
        "finished": time("finished"),
        "outcome": array("q", (write.outcome for write in writes)),
        "detail": [write.detail for write in writes],
    }
