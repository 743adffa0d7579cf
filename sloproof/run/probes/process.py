"""`process`: does one life of one process go on.

An incarnation is a pid with its start time and its boot, so a pid that is used again is another
process and reads as `gone`. `ok` is alive and not stopped. Details: `gone`, `zombie` (dead, not
yet reaped: as gone as `gone` to everybody but its parent), `stopped` (by a signal or a debugger).
There is no `value`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from sloproof.contracts import Probe, Sample

_WORDS = {"Z": "zombie", "X": "gone", "x": "gone", "T": "stopped", "t": "stopped"}


@dataclass(frozen=True, kw_only=True)
class Process(Probe):
    """Watches the process `pid` that started `start_time` clock ticks after the boot `boot_id`.

    `start_time` is field 22 of `/proc/PID/stat`; an empty `boot_id` is the present boot.
    """

    kind: ClassVar[str] = "process"
    overlaps: ClassVar[bool] = True

    pid: int
    start_time: int
    boot_id: str = ""

    async def sample(self) -> Sample:
        """Read the process's state."""
        word = self._word()
        return Sample(ok=not word, detail=word)

    def _word(self) -> str:
        # /proc answers from memory: reading it never waits.
        if self.boot_id and self.boot_id != _read("/proc/sys/kernel/random/boot_id").strip():
            return "gone"
        stat = _read(f"/proc/{self.pid}/stat")
        if not stat:
            return "gone"
        # A process may name itself anything, parentheses included.
        state, *rest = stat.rpartition(")")[2].split()
        return "gone" if int(rest[18]) != self.start_time else _WORDS.get(state, "")


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""
