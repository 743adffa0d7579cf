"""A PostgreSQL server of a figure's own, to be killed, shut down or frozen, and brought back."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime

from benchmarks.runs import room
from digital_human.ports import Ports
from digital_human.postgres.occupants import occupants
from digital_human.postgres.server import Server
from digital_human.processes import Incarnation, incarnation, spawn

PATIENCE_S = 40
BLOWS = {
    "killed": signal.SIGKILL,
    "shut down": signal.SIGINT,  # fast: it hangs up on its clients and leaves nothing to recover
    "frozen": signal.SIGSTOP,
}
READY = re.compile(r"^(\S+ \S+) UTC .* ready to accept connections$", re.MULTILINE)
MS = 1_000_000


class Database:
    """The server and its process."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self._frozen: list[Incarnation] = []
        self.start()

    def start(self) -> None:
        """Start it, to go before other processes where that is allowed; it answers later."""
        self._process = spawn(self.server.command(), env=os.environ, log=self.server.log)
        with suppress(OSError):
            os.sched_setscheduler(self._process.pid, os.SCHED_RR, os.sched_param(1))

    def strike(self, kind: str) -> tuple[int, int]:
        """Have it go down; between which moments that was. Frozen are all of its processes."""
        frozen = kind == "frozen"
        postmaster = incarnation(self._process.pid)
        assert postmaster is not None
        struck = occupants(self.server.data) if frozen else [postmaster]
        self._frozen = struck if frozen else []
        begins = time.monotonic_ns()
        for each in struck:
            each.signal(BLOWS[kind])
        return begins, time.monotonic_ns()

    async def bring_back(self) -> int:
        """Undo the last blow; gives a moment before which the server couldn't be back."""
        if self._frozen:
            begins = time.monotonic_ns()
            self._thaw()
            return begins
        self._process.wait(PATIENCE_S)
        await self.server.vacate()
        begins = time.monotonic_ns()
        self.start()
        return begins

    def ready(self) -> list[int]:
        """When its log says that it was ready, in ns of CLOCK_MONOTONIC; it tells whole ms."""
        words = self.server.log.read_text(encoding="utf-8")
        # The most: whoever is interrupted between the two calls finds less.
        offset = max(time.time_ns() - time.monotonic_ns() for _ in range(5))
        stamps = (datetime.fromisoformat(each).replace(tzinfo=UTC) for each in READY.findall(words))
        return [round(each.timestamp() * 1e3) * MS - offset for each in stamps]

    def end(self) -> None:
        """Shut it down."""
        self._thaw()
        self._process.send_signal(signal.SIGINT)
        self._process.wait(PATIENCE_S)

    def _thaw(self) -> None:
        for each in self._frozen:
            each.signal(signal.SIGCONT)
        self._frozen = []


@contextmanager
def database(name: str) -> Iterator[Database]:
    """One that answers, and is gone afterwards."""
    ports = Ports()
    with room(name) as folder:
        server = Server("a", folder / "a", ports.reserve())
        asyncio.run(server.initialise())
        found = Database(server)
        try:
            _answering(server)
            yield found
        finally:
            found.end()
            ports.release()


def _answering(server: Server) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not asyncio.run(server.ready()):
        assert time.monotonic() < deadline, "the database did not come"
        time.sleep(0.05)
