"""Takes processor time or memory inside of given control groups, until its parent dies.

Run as a program, `stressor.py PARENT GROUPS burn CORES LOAD` or `… hold BYTES`, where GROUPS is a
JSON list of the files that take a process in. It writes "ready" once it is at work.
"""

from __future__ import annotations

import ctypes
import json
import mmap
import os
import select
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

PR_SET_PDEATHSIG = 1  # from <sys/prctl.h>
ORPHAN = 4
READY = b"ready\n"
PERIOD = 0.02
"""Seconds from one burst to the next: short against the kernel's 100 ms of quota."""
DEBT = 0.1
"""Seconds of work that may be made up for after others had the processor; more is given up."""
CHUNK = 16 << 20


def main(arguments: Sequence[str]) -> None:
    """Join the groups, do the work that is named, and last as long as the parent."""
    parent, groups, work, *amounts = arguments
    line = _line_to(int(parent))
    # Before anything is allocated: memory is charged to the group in which it is touched first.
    for members in json.loads(groups):
        Path(members).write_text("0", encoding="ascii")
    # Should memory run out after all, this goes and not the target.
    Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
    if work == "burn":
        _burners(int(amounts[0]), float(amounts[1]))
        _last(line)
    with _held(int(amounts[0]), line):
        _last(line)


def _last(line: int) -> None:
    """Say that the work is under way, and end with the parent; what was forked goes along."""
    os.write(1, READY)
    os.close(1)
    select.select([line], [], [])
    os._exit(0)


def _line_to(parent: int) -> int:
    """A descriptor that is readable once the parent is dead.

    The kernel's own signal at a parent's death comes when the thread ends that forked, too.
    """
    try:
        line = os.pidfd_open(parent)
    except ProcessLookupError:
        sys.exit(ORPHAN)
    if os.getppid() != parent:
        sys.exit(ORPHAN)
    return line


def _burners(cores: int, load: float) -> None:
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    me, begin = os.getpid(), time.monotonic()
    for number in range(cores):
        if os.fork() == 0:
            prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() == me:
                _burn(load, begin + PERIOD * number / cores)
            os._exit(ORPHAN)


def _burn(load: float, begin: float) -> None:
    """Be busy for `load` of the time, counted in processor time that was really had.

    The schedule is fixed in advance; what others kept from it is made up for within `DEBT`.
    """
    used, owed, last = time.process_time(), 0.0, time.monotonic()
    while True:
        now = time.monotonic()
        owed = min(owed + load * (now - last), load * PERIOD + DEBT)
        last = now
        until = used + owed
        while (had := time.process_time()) < until:
            pass
        owed -= had - used
        used = had
        late = (time.monotonic() - begin) % PERIOD
        time.sleep(PERIOD - late)


def _held(size: int, line: int) -> mmap.mmap:
    """`size` bytes, every page of which was written to."""
    memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    for begin in range(0, size, CHUNK):
        for place in range(begin, min(begin + CHUNK, size), mmap.PAGESIZE):
            memory[place] = 1
        if select.select([line], [], [], 0)[0]:
            os._exit(ORPHAN)
    return memory


if __name__ == "__main__":
    main(sys.argv[1:])
