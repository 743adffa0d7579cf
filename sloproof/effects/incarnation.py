"""One life of one process: its pid, its start time and the boot it belongs to."""

from __future__ import annotations

import errno
import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from sloproof.errors import EffectError
from sloproof.model.clock import boot_id

_DEAD = frozenset("ZXx")


@dataclass(frozen=True, slots=True)
class ProcessState:
    """What `/proc/PID/stat` says of a process: its state letter, its parent, its start time."""

    letter: str
    parent: int
    start: int


def process_state(pid: int) -> ProcessState | None:
    """The state of a process, or None where there is none."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    letter, parent, *rest = stat.rpartition(")")[2].split()
    return ProcessState(letter, int(parent), int(rest[17]))


@dataclass(frozen=True, slots=True)
class Incarnation:
    """Names one life: a pid that is used again is another incarnation."""

    pid: int
    start: int
    boot: str

    @classmethod
    def of(cls, pid: int) -> Self | None:
        """The incarnation that has this pid now; None where it is dead or a zombie."""
        state = process_state(pid)
        return None if state is None or state.letter in _DEAD else cls(pid, state.start, boot_id())

    @classmethod
    def parse(cls, text: str) -> Self:
        """The incarnation written as `pid:start:boot`."""
        pid, start, boot = text.split(":", 2)
        return cls(int(pid), int(start), boot)

    def __str__(self) -> str:
        return f"{self.pid}:{self.start}:{self.boot}"

    def letter(self) -> str:
        """Its state letter (`R`, `S`, `T`, …), or "" once it is dead, a zombie or replaced."""
        state = process_state(self.pid)
        if state is None or state.start != self.start or boot_id() != self.boot:
            return ""
        return "" if state.letter in _DEAD else state.letter

    def alive(self) -> bool:
        """Whether this life goes on; a zombie's doesn't."""
        return bool(self.letter())

    def send(self, number: signal.Signals) -> bool:
        """Send a signal to this incarnation and no other; False where it is dead already.

        Raises `EffectError` where the kernel doesn't allow it.
        """
        try:
            pidfd = os.pidfd_open(self.pid)
        except OSError as error:
            if error.errno == errno.ESRCH:
                return False
            raise EffectError(f"can't open process {self.pid}: {error}") from error
        try:
            if not self.alive():
                return False
            signal.pidfd_send_signal(pidfd, number)
        except ProcessLookupError:
            return False
        except PermissionError as error:
            raise EffectError(f"may not signal process {self.pid}: {error}") from error
        finally:
            os.close(pidfd)
        return True


def self_incarnation() -> Incarnation:
    """This process's own incarnation."""
    found = Incarnation.of(os.getpid())
    if found is None:
        raise EffectError("/proc is not readable: process faults and the guardian need it")
    return found
