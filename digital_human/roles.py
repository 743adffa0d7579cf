"""Which store is the primary: written by the controller, read by whoever starts or is told anew."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Roles:
    """The primary's name, and how often that has changed: of two claims the later one holds."""

    primary: str
    epoch: int = 1

    def after(self, primary: str) -> Roles:
        """The same with another primary."""
        return Roles(primary, self.epoch + 1)

    def write(self, path: Path) -> None:
        """Put the file there, complete or not at all."""
        draft = path.with_suffix(".new")
        draft.write_text(json.dumps(asdict(self)) + "\n")
        draft.replace(path)

    @classmethod
    def read(cls, path: Path) -> Roles:
        """What `write` wrote. Raises `OSError`."""
        return cls(**json.loads(path.read_text()))
