"""`descriptors`: how many files and connections one life of one process can still open.

`value` is that number: the free descriptors below its soft limit. `ok` is that there is one, and
that the limit is no lower than when the probe began. Details: `lowered`, `exhausted` (none is
free), `gone` (dead, or another life of the same pid), `unreadable` (another user's process; root
reads all).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import ClassVar

from sloproof.contracts import Probe, Sample

LIMIT = "Max open files"


@dataclass(slots=True)
class Begun:
    """The soft limit as it was first seen."""

    limit: int | None = field(default=None)


@dataclass(frozen=True, kw_only=True)
class Descriptors(Probe):
    """Reads the limits and the open files of the process `pid` that started at `start_time`.

    `start_time` is field 22 of `/proc/PID/stat`.
    """

    kind: ClassVar[str] = "descriptors"
    overlaps: ClassVar[bool] = True

    pid: int
    start_time: int

    @cached_property
    def _begun(self) -> Begun:
        return Begun()

    async def sample(self) -> Sample:
        """Read both."""
        try:
            limit, left = self._read()
        except PermissionError:
            return Sample(ok=False, detail="unreadable")
        except (FileNotFoundError, ProcessLookupError):
            return Sample(ok=False, detail="gone")
        self._begun.limit = limit if self._begun.limit is None else self._begun.limit
        word = "lowered" if limit < self._begun.limit else "" if left else "exhausted"
        return Sample(ok=not word, value=float(left), detail=word)

    def _read(self) -> tuple[int, int]:
        """The soft limit, and how many numbers below it are free."""
        # /proc answers from memory: reading it never waits.
        folder = Path(f"/proc/{self.pid}")
        numbers = [int(file.name) for file in (folder / "fd").iterdir()]
        limit = _limit((folder / "limits").read_text(encoding="ascii"))
        if _started(folder) != self.start_time:
            raise ProcessLookupError
        return limit, limit - sum(number < limit for number in numbers)


def _limit(text: str) -> int:
    soft = next(line for line in text.splitlines() if line.startswith(LIMIT))
    word = soft.removeprefix(LIMIT).split()[0]
    return 1 << 30 if word == "unlimited" else int(word)


def _started(folder: Path) -> int:
    """When the process began, in clock ticks; 0 where it is dead."""
    # A process may name itself anything, parentheses included.
    stat = (folder / "stat").read_text(encoding="utf-8", errors="replace")
    letter, *rest = stat.rpartition(")")[2].split()
    return 0 if letter in "ZXx" else int(rest[18])
