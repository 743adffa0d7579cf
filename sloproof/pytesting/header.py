"""Telling sloproof's files from everybody else's YAML by their first 4 KiB."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

LOOKED_AT = 4096
_OURS = re.compile(rb"^apiVersion:[ \t]*[\"']?sloproof/", re.MULTILINE)
_KIND = re.compile(rb"^kind:[ \t]*[\"']?(\w+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Header:
    """What a file of sloproof's says it is: `Experiment`, `Suite`, `Target`, …"""

    kind: str


def read_header(path: Path) -> Header | None:
    """The header of one of our files, or None for any other file."""
    if path.suffix not in {".yaml", ".yml"}:
        return None
    try:
        with path.open("rb") as file:
            beginning = file.read(LOOKED_AT)
    except OSError:  # not ours to complain about
        return None
    kind = _KIND.search(beginning)
    if kind is None or _OURS.search(beginning) is None:
        return None
    return Header(kind=kind[1].decode())
