"""The processes that have a server's data open, found by where they work, not by a written pid.

PostgreSQL's processes work in the data folder. A postmaster that was killed leaves children for a
moment, which still write and keep the next one from starting.
"""

from __future__ import annotations

import asyncio
import signal
from contextlib import suppress
from pathlib import Path

from digital_human.processes import Incarnation, incarnation

POLL_S = 0.01


def occupants(data: Path) -> list[Incarnation]:
    """The living processes that work in that data folder."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal():
            continue
        process = incarnation(int(entry.name))
        # Read after the start time: were the number another's by now, that one would not match it.
        if process is not None and _works_in(entry, data) and process.alive:
            found.append(process)
    return found


async def vacate(data: Path, within: float) -> tuple[list[int], list[int]]:
    """Kill the processes that work in a data folder: who was there, and who is after `within` s.

    Also takes away the lock that a dead server left: where its process is slowly reaped, the next
    one would think that it still ran.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within
    killed: set[int] = set()
    while left := occupants(data):
        if loop.time() >= deadline:
            return sorted(killed), [process.pid for process in left]
        for process in left:
            process.signal(signal.SIGKILL)
            killed.add(process.pid)
        await asyncio.sleep(POLL_S)
    with suppress(OSError):
        (data / "postmaster.pid").unlink(missing_ok=True)
    return sorted(killed), []


def _works_in(process: Path, data: Path) -> bool:
    try:
        return (process / "cwd").readlink() == data
    except OSError:
        return False
