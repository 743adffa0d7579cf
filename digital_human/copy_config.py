"""What a copy is told when it starts: a JSON file that the supervisor writes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from digital_human.settings import Settings, from_json


@dataclass(frozen=True, slots=True)
class CopyConfig:
    """A copy's name, where it reaches the services it calls, and where it writes."""

    instance: str
    links: Mapping[str, str]
    files: Mapping[str, str]
    settings: Settings

    def write(self, path: Path) -> None:
        """Write the file that `read` reads."""
        content = {
            "instance": self.instance,
            "links": dict(self.links),
            "files": dict(self.files),
            "settings": self.settings.to_json(),
        }
        path.write_text(json.dumps(content, indent=2) + "\n")

    @classmethod
    def read(cls, path: Path) -> CopyConfig:
        """What `write` wrote."""
        content = json.loads(path.read_text())
        return cls(
            content["instance"],
            content["links"],
            content["files"],
            from_json(content["settings"]),
        )
