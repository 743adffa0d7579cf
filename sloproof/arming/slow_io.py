"""Reads and writes on a volume that wait for somebody's leave: fanotify's pre-content events.

The kernel asks before each read, write, truncation and allocation of a file that was opened since
it was told to ask; nothing happens until it is answered. The delay that is wanted stands in a file
beside the volume (`sloproof.effects.slow_volume` writes it). When the watcher dies, the kernel
lets everything through.
"""

from __future__ import annotations

import ctypes
import fcntl
import heapq
import json
import os
import resource
import select
import signal
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from sloproof.effects.slow_volume import control_of
from sloproof.effects.tether import PR_SET_PDEATHSIG
from sloproof.errors import PlatformError

# From <linux/fanotify.h>
FAN_CLOEXEC = 0x01
FAN_CLASS_PRE_CONTENT = 0x08
FAN_UNLIMITED_QUEUE = 0x10
FAN_MARK_ADD = 0x01
FAN_MARK_FILESYSTEM = 0x100
FAN_PRE_ACCESS = 0x0010_0000
FAN_ALLOW = 0x01
AT_FDCWD = -100
_EVENT = struct.Struct("=IBBHQii")
_ANSWER = struct.Struct("=iI")
_BUFFER = 64 * 1024
_FILES = 65536


def arm(volume: Path) -> None:
    """Start a watcher of the file system mounted at `volume`; it dies with this process.

    Raises `PlatformError` where the kernel can't ask before reads and writes.
    """
    events = _asked(volume)
    control = control_of(str(volume))
    Path(control).write_text(json.dumps({"device": volume.stat().st_dev}), encoding="ascii")
    parent = os.getpid()
    with Path(control).open("rb", buffering=0) as wanted:
        fcntl.flock(wanted, fcntl.LOCK_SH)  # by which others see that somebody watches
        if os.fork():
            os.close(events)
            return
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL))
        if os.getppid() == parent:
            Watcher(events, wanted.fileno()).watch()
        os._exit(1)


def _asked(volume: Path) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    group = libc.fanotify_init(
        FAN_CLOEXEC | FAN_CLASS_PRE_CONTENT | FAN_UNLIMITED_QUEUE, os.O_RDONLY | os.O_LARGEFILE
    )
    mask, path = ctypes.c_uint64(FAN_PRE_ACCESS), os.fsencode(volume)
    how = FAN_MARK_ADD | FAN_MARK_FILESYSTEM
    if group < 0 or libc.fanotify_mark(group, how, mask, AT_FDCWD, path):
        why = os.strerror(ctypes.get_errno())
        raise PlatformError(f"slow I/O on {volume}: {why}; it takes root and Linux 6.14 or later")
    return int(group)


@dataclass(slots=True)
class Watcher:
    """Answers the events of a fanotify group, each when its delay is over."""

    events: int
    control: int
    _due: list[tuple[int, int]] = field(default_factory=list)
    _said: bytes = b""
    _delay: int = 0

    def watch(self) -> None:
        """Until this process is killed."""
        limit = min(_FILES, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
        while True:
            now = time.monotonic_ns()
            while self._due and self._due[0][0] <= now:
                self._allow(heapq.heappop(self._due)[1])
            wait = max(0, self._due[0][0] - now) / 1e9 if self._due else None
            if select.select([self.events], [], [], wait)[0]:
                self._take(time.monotonic_ns() + self._wanted())

    def _take(self, due: int) -> None:
        for file in _files(os.read(self.events, _BUFFER)):
            heapq.heappush(self._due, (due, file))

    def _wanted(self) -> int:
        """The delay that holds now, in nanoseconds; what can't be read yet changes nothing."""
        said = os.pread(self.control, 4096, 0)
        if said != self._said:
            try:
                self._delay = int(json.loads(said).get("delay_ns", 0))
            except ValueError:
                return self._delay
            self._said = said
        return self._delay

    def _allow(self, file: int) -> None:
        os.write(self.events, _ANSWER.pack(file, FAN_ALLOW))
        os.close(file)


def _files(events: bytes) -> Iterator[int]:
    """The descriptors of the files that the events are about."""
    place = 0
    while place + _EVENT.size <= len(events):
        length, _, _, _, _, file, _ = _EVENT.unpack_from(events, place)
        place += length
        if file >= 0:
            yield file
