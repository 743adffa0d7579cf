"""JSON lines that survive the sudden death of their writer."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any


class Journal:
    """Appends one line per record with one write, without a buffer of its own.

    What was written is the kernel's at once, so SIGKILL loses no line; writers that share the file
    don't interleave, as the file is opened for appending. A full disk must not take the service
    down with it: lines that could not be written are counted in `lost`.
    """

    def __init__(self, path: Path) -> None:
        self.lost = 0
        self._torn = False
        self._fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def write(self, record: dict[str, Any]) -> None:
        """Append `record`, or count it as lost."""
        line = json.dumps(record, separators=(",", ":")).encode() + b"\n"
        if self._torn:
            line = b"\n" + line
        try:
            written = os.write(self._fd, line)
        except OSError:
            written = 0
        if written < len(line):
            self.lost += 1
            self._torn = self._torn or written > 0
        else:
            self._torn = False

    def close(self) -> None:
        """Close the file; `write` may not be called afterwards."""
        os.close(self._fd)
