"""Processes that die with whoever started them, named so that no other is ever hit."""

from __future__ import annotations

import ctypes
import os
import select
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from digital_human import cgroups

TAG = "DIGITAL_HUMAN_FOLDER"
PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class Incarnation:
    """A process and not another that got its number: a pid with its start time.

    `start_time` is in clock ticks since boot, field 22 of proc(5)'s `stat`.
    """

    pid: int
    start_time: int

    @property
    def alive(self) -> bool:
        """Whether this very process still runs; a zombie does not."""
        found = _stat(self.pid)
        return found is not None and found[1] == self.start_time and found[0] not in "ZX"

    @property
    def state(self) -> str:
        """The letter of proc(5)'s `stat`: R runs, S sleeps, T is stopped; "" if it is gone."""
        found = _stat(self.pid)
        return found[0] if found is not None and found[1] == self.start_time else ""

    def signal(self, number: signal.Signals) -> None:
        """Send a signal through a pidfd; nothing happens if the process is gone."""
        try:
            handle = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return
        try:
            if self.alive:
                signal.pidfd_send_signal(handle, number)
        except ProcessLookupError:
            return
        finally:
            os.close(handle)

    def wait(self, timeout: float) -> bool:
        """Whether the process ended within `timeout` seconds; it need not be a child."""
        deadline = time.monotonic() + timeout
        try:
            handle = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return True
        try:
            while self.alive:
                left = deadline - time.monotonic()
                if left <= 0:
                    return False
                # A pidfd is ready once the process is a zombie; its reaper does not matter.
                select.select([handle], [], [], min(left, 0.1))
        finally:
            os.close(handle)
        return True


def incarnation(pid: int) -> Incarnation | None:
    """The process that has the number now, if any."""
    found = _stat(pid)
    return Incarnation(pid, found[1]) if found is not None else None


def die_with_parent(parent: int, with_signal: signal.Signals = signal.SIGKILL) -> None:
    """Have the kernel send `with_signal` to this process when `parent`, its parent, dies.

    Ends this process at once if the parent had died before the kernel was asked.
    """
    if _LIBC.prctl(PR_SET_PDEATHSIG, int(with_signal), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent:
        os._exit(1)


def spawn(
    command: Sequence[str],
    *,
    env: Mapping[str, str],
    log: Path,
    fds: Sequence[int] = (),
    groups: Sequence[Path] = (),
) -> subprocess.Popen[bytes]:
    """Start a process that gets SIGKILL when this thread's process dies; it inherits `fds`.

    It begins in the control groups `groups`. Its output goes to the end of `log`. Call it from the
    main thread only: the kernel ties the signal to the thread that forked.
    """
    parent = os.getpid()

    def begin() -> None:
        die_with_parent(parent)
        cgroups.enter(groups)

    try:
        with log.open("ab") as output:
            return subprocess.Popen(
                command,
                env=dict(env),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                pass_fds=tuple(fds),
                start_new_session=True,
                # Safe, as the caller has one thread.
                preexec_fn=begin,  # noqa: PLW1509
            )
    except subprocess.SubprocessError as error:  # all that is told of what `begin` raised
        raise OSError(f"can't enter the control groups {', '.join(map(str, groups))}") from error


def tagged(folder: Path) -> Iterator[Incarnation]:
    """The processes of this user whose environment says that they belong to `folder`."""
    mark = f"{TAG}={folder}".encode()
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and int(entry.name) != os.getpid():
            found = incarnation(int(entry.name))
            try:
                marked = mark in (entry / "environ").read_bytes().split(b"\0")
            except OSError:
                continue
            if found is not None and marked and found.alive:
                yield found


def sweep(folder: Path, timeout: float = 5.0) -> list[int]:
    """Kill what is left of the system in `folder`; the pids of what was there.

    The control groups that it was in go with it.
    """
    left = list(tagged(folder))
    for process in left:
        process.signal(signal.SIGKILL)
    for process in left:
        process.wait(timeout)
    cgroups.remove(folder)
    return [process.pid for process in left]


def _stat(pid: int) -> tuple[str, int] | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The command's name stands in parentheses and may hold anything, parentheses included.
    rest = text.rpartition(")")[2].split()
    return rest[0], int(rest[19])
