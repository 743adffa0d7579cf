"""When a database is back, by a look each millisecond: `python -m benchmarks.observer DSN`.

Whenever a query succeeds after one that failed or after a long wait, it prints a JSON line of two
moments (ns of CLOCK_MONOTONIC): when the last failed try, or the one that waited, began; and when
the good one had ended. It knows nothing of the harness, and asks by libpq itself. It ends with its
parent.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from psycopg.pq import ConnStatus, ExecStatus, PGconn
from psycopg.pq.abc import PGconn as Connection

from benchmarks.machine import ROOT

PAUSE_S = 0.001
LONG = 20_000_000
"""The nanoseconds after which an answer was waited for."""
PATIENCE_S = 20
DIRECT = b"?sslmode=disable&gssencmode=disable"


def main() -> None:
    """Look until the parent has gone."""
    parent = os.getppid()
    with suppress(OSError):  # that of this process is not to be measured
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    connection: Connection | None = None
    since: int | None = time.monotonic_ns()
    while os.getppid() == parent:
        began = time.monotonic_ns()
        connection = connection or PGconn.connect(sys.argv[1].encode() + DIRECT)
        good = _answers(connection)
        ended = time.monotonic_ns()
        if not good:
            connection.finish()
            connection, since = None, began
        elif since is not None or ended - began > LONG:
            sys.stdout.write(json.dumps([since or began, ended]) + "\n")
            sys.stdout.flush()
            since = None
        time.sleep(PAUSE_S)


def _answers(connection: Connection) -> bool:
    if connection.status != ConnStatus.OK:
        return False
    return connection.exec_(b"select 1").status == ExecStatus.TUPLES_OK


class Observer:
    """The observer's process, and what it says."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def back(self, since: int) -> tuple[int, int]:
        """Between which moments the database came back, which it does after `since`."""
        assert self._process.stdout is not None
        async with asyncio.timeout(PATIENCE_S):
            while True:
                began, ended = json.loads(await self._process.stdout.readline())
                if ended >= since:
                    return max(since, began), ended


@asynccontextmanager
async def observing(dsn: str) -> AsyncIterator[Observer]:
    """An observer of the database at `dsn`, which is up."""
    argv = [sys.executable, "-m", "benchmarks.observer", dsn]
    process = await asyncio.create_subprocess_exec(*argv, cwd=ROOT, stdout=subprocess.PIPE)
    try:
        observer = Observer(process)
        await observer.back(0)
        yield observer
    finally:
        process.kill()
        await process.wait()


if __name__ == "__main__":
    main()
