"""Where a volume is: a folder as some process sees it, and what is mounted there."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from sloproof.effects.incarnation import Incarnation
from sloproof.errors import EffectError

T = TypeVar("T")
_ESCAPED = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True, slots=True)
class Mount:
    """One line of `/proc/PID/mountinfo`, so far as it matters here."""

    point: str
    kind: str
    source: str
    options: frozenset[str]
    """Those of the mount together with those of its file system."""


class PlaceGone(EffectError):
    """Nobody sees the folder any more: what was mounted there is gone."""


@dataclass(frozen=True, slots=True)
class Place:
    """A folder by its path. With a `namespace` it is the path as the processes in that mount
    namespace see it, of which there may be fewer by and by: the mount lives as long as any of them.
    """

    path: str
    namespace: str = ""

    @property
    def pid(self) -> str:
        """The oldest process through whose eyes it is seen, as `/proc` calls it.

        Raises `PlaceGone` where none of them lives any more.
        """
        if not self.namespace:
            return "self"
        lives = list(living_in(self.namespace))
        if not lives:
            raise PlaceGone(f"{self.path} is gone with the processes that had it mounted")
        return str(min(lives, key=lambda life: (life.start, life.pid)).pid)

    @property
    def reached(self) -> str:
        """The path by which this process gets there; raises as `pid` does."""
        return f"/proc/{self.pid}/root{self.path}" if self.namespace else self.path

    def there(self) -> bool:
        """Whether anybody still sees it."""
        return not self.namespace or next(living_in(self.namespace), None) is not None

    def inside(self, argv: Sequence[str]) -> tuple[str, ...]:
        """A command, run where it is seen; raises as `pid` does."""
        return ("nsenter", "-t", self.pid, "-m", *argv) if self.namespace else tuple(argv)

    def mount(self) -> Mount | None:
        """What is mounted exactly there; None where nothing is. Raises as `pid` does."""
        own = not self.namespace
        point = os.path.realpath(self.path) if own else os.path.normpath(self.path)
        found = [each for each in self._seen(mounts) if each.point == point]
        return found[-1] if found else None  # of several on top of one another, the last one counts

    def open(self, flags: int = os.O_RDONLY | os.O_DIRECTORY) -> int:
        """A descriptor of it; raises `OSError`, and `PlaceGone` as `pid` does."""
        above = "" if not self.namespace else "/proc/{pid}/root"

        def opened(pid: str) -> int:
            path = f"{above.format(pid=pid)}{self.path}"
            return os.open(path, flags | os.O_CLOEXEC, 0o600)

        return self._seen(opened)

    def opened(self, device: int) -> int:
        """A descriptor of the folder, which has to be on `device`; 0 is any.

        Raises `EffectError` where it isn't: what was planned for a volume must never strike the
        file system that shows once the volume is unmounted.
        """
        try:
            folder = self.open()
        except OSError as error:
            raise EffectError(f"can't open {self.path}: {error.strerror}") from error
        if device and os.fstat(folder).st_dev != device:
            os.close(folder)
            raise EffectError(f"another file system is at {self.path} than when this was planned")
        return folder

    def _seen(self, look: Callable[[str], T]) -> T:
        """What one of the processes sees; another one is asked if it died meanwhile."""
        while True:
            pid = self.pid
            try:
                found = look(pid)
            except OSError:
                if self._sees(pid):
                    raise
            else:
                if self._sees(pid):
                    return found

    def _sees(self, pid: str) -> bool:
        return not self.namespace or namespace_of(pid) == self.namespace


def namespace_of(pid: int | str) -> str:
    """The mount namespace of a process, as the kernel calls it; "" of one that is gone."""
    try:
        return os.readlink(f"/proc/{pid}/ns/mnt")  # noqa: PTH115 - the text of a magic link
    except OSError:
        return ""


def living_in(namespace: str) -> Iterator[Incarnation]:
    """The living processes of a mount namespace."""
    for folder in Path("/proc").glob("[0-9]*"):
        if namespace_of(folder.name) == namespace and (life := Incarnation.of(int(folder.name))):
            yield life


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
