"""JSON lines in which each line carries the hash of the one before: cut or edited, it shows."""

from __future__ import annotations

import errno
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sloproof.errors import BrokenRecord

GENESIS = "0" * 64


def _digest(line: bytes) -> str:
    return hashlib.sha256(line).hexdigest()


class ChainWriter:
    """Appends lines to one file; the only writer of it. Each line is flushed to the kernel.

    `after` are the lines that stand in it already, where it is continued.
    """

    def __init__(self, path: Path, after: Sequence[bytes] = ()) -> None:
        self._file = path.open("ab", buffering=0)
        self._head = _digest(after[-1]) if after else GENESIS
        self._end = self._file.tell()

    def append(self, line: Mapping[str, Any]) -> None:
        """Write `line` with the hash of the line before under `prev`; raises `OSError`."""
        body = json.dumps({**line, "prev": self._head}, separators=(",", ":")).encode()
        if self._file.write(body + b"\n") != len(body) + 1:
            self._file.truncate(self._end)  # half a line in the middle would break the chain
            raise OSError(errno.ENOSPC, "only a part of the line was written")
        self._head = _digest(body)
        self._end += len(body) + 1

    def close(self) -> None:
        """Close the file."""
        self._file.close()


@dataclass(frozen=True, slots=True)
class Chain:
    """The lines of one chain; `torn` says that a last, incomplete line was left out.

    `head` is the hash of the last line.
    """

    lines: tuple[dict[str, Any], ...]
    torn: bool
    head: str = GENESIS


def read_chain(path: Path) -> Chain:
    """Every whole line of a chain; raises `BrokenRecord` where a hash doesn't fit."""
    raw = path.read_bytes()
    whole, _, rest = raw.rpartition(b"\n")
    lines: list[dict[str, Any]] = []
    head = GENESIS
    for number, body in enumerate(whole.split(b"\n") if whole else [], start=1):
        try:
            line = json.loads(body)
        except ValueError:
            line = None
        if not isinstance(line, dict):
            raise BrokenRecord(f"{path}:{number}: not a JSON line; the record was edited")
        if line.pop("prev", None) != head:
            raise BrokenRecord(f"{path}:{number}: the chain of hashes is broken here")
        lines.append(line)
        head = _digest(body)
    return Chain(lines=tuple(lines), torn=bool(rest), head=head)
