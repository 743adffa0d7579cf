"""Where a volume is: a folder as some process sees it, and what is mounted there."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from sloproof.effects.incarnation import Incarnation
from sloproof.errors import EffectError

_ESCAPED = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True, slots=True)
class Mount:
    """One line of `/proc/PID/mountinfo`, so far as it matters here."""

    point: str
    kind: str
    source: str
    options: frozenset[str]
    """Those of the mount together with those of its file system."""


@dataclass(frozen=True, slots=True)
class Place:
    """A folder by its path. With an `anchor`, an incarnation, it is the path as that process sees
    it: a mount in a namespace of its own lives as long as the processes in there."""

    path: str
    anchor: str = ""

    @property
    def pid(self) -> str:
        """The process through whose eyes it is seen, as `/proc` calls it."""
        return str(Incarnation.parse(self.anchor).pid) if self.anchor else "self"

    @property
    def reached(self) -> str:
        """The path by which this process gets there."""
        return f"/proc/{self.pid}/root{self.path}" if self.anchor else self.path

    def there(self) -> bool:
        """Whether the process through whose eyes it is seen still lives."""
        return not self.anchor or Incarnation.parse(self.anchor).alive()

    def mount(self) -> Mount | None:
        """What is mounted exactly there; None where nothing is."""
        own = not self.anchor
        point = os.path.realpath(self.path) if own else os.path.normpath(self.path)
        found = [each for each in mounts(self.pid) if each.point == point]
        return found[-1] if found else None  # of several on top of one another, the last one counts

    def opened(self, device: int) -> int:
        """A descriptor of the folder, which has to be on `device`; 0 is any.

        Raises `EffectError` where it isn't: what was planned for a volume must never strike the
        file system that shows once the volume is unmounted.
        """
        if not self.there():
            raise EffectError(f"{self.path} is gone with the process that had it mounted")
        try:
            folder = os.open(self.reached, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise EffectError(f"can't open {self.path}: {error.strerror}") from error
        if device and os.fstat(folder).st_dev != device:
            os.close(folder)
            raise EffectError(f"another file system is at {self.path} than when this was planned")
        return folder


def mounts(pid: str = "self") -> list[Mount]:
    """The mounts that a process sees, as the kernel lists them; none of one that is gone."""
    try:
        text = Path(f"/proc/{pid}/mountinfo").read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return []
    return [_mount(line) for line in text.splitlines()]


def _mount(line: str) -> Mount:
    left, _, right = line.partition(" - ")
    fields, kinds = left.split(" "), right.split(" ")
    options = frozenset(f"{fields[5]},{kinds[2]}".split(","))
    return Mount(_plain(fields[4]), kinds[0], _plain(kinds[1]), options)


def _plain(text: str) -> str:
    return _ESCAPED.sub(lambda found: chr(int(found[1], 8)), text)
