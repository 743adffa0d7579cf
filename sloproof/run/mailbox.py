"""Messages between the engine and its helper processes: JSON lines appended to a file.

One writer and one reader a file. A file outlives both, so nothing is lost when a process dies, and
a person can read what was said.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sloproof.model.secrets import NO_SECRETS, Secrets

Message = dict[str, Any]


class Outbox:
    """The writing end."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._secrets = NO_SECRETS

    def hide(self, secrets: Secrets) -> None:
        """Mask these as well in whatever is sent from now on."""
        self._secrets = self._secrets.and_also(secrets.values)

    def send(self, message: Mapping[str, Any]) -> None:
        """Append one message."""
        shown = self._secrets.masked(message)
        os.write(self._fd, json.dumps(shown, separators=(",", ":")).encode() + b"\n")

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)


class Inbox:
    """The reading end; the file may not be there yet."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0

    def receive(self) -> list[Message]:
        """The whole messages that came since the last call, in order."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                arrived = file.read()
        except FileNotFoundError:
            return []
        whole = arrived[: arrived.rfind(b"\n") + 1]
        self._offset += len(whole)
        return [json.loads(line) for line in whole.splitlines()]
