"""JSON lines that something else appends to: read as they come, each with its place."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sloproof.errors import HarnessError


@dataclass(frozen=True, slots=True)
class Line:
    """One line: the file, its number from 1, and the object on it."""

    path: Path
    number: int
    data: dict[str, Any]

    def error(self, reason: object) -> HarnessError:
        """The error that says what is wrong with this line."""
        return HarnessError(f"{self.path}:{self.number}: {reason}")


class Lines:
    """The whole lines of a file from its beginning on; a torn last one waits for its rest."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self._count = 0

    def poll(self) -> list[Line]:
        """The lines that came since the last call; none while there is no file.

        Raises `HarnessError` naming the file and the line that is not a JSON object.
        """
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                arrived = file.read()
        except FileNotFoundError:
            return []
        whole = arrived[: arrived.rfind(b"\n") + 1]
        self._offset += len(whole)
        return [line for text in whole.splitlines() if (line := self._line(text)) is not None]

    def _line(self, text: bytes) -> Line | None:
        self._count += 1
        if not text.strip():
            return None
        try:
            data = json.loads(text)
        except ValueError as error:
            raise HarnessError(f"{self._path}:{self._count}: not JSON: {error}") from error
        if not isinstance(data, dict):
            raise HarnessError(f"{self._path}:{self._count}: not a JSON object")
        return Line(self._path, self._count, data)
