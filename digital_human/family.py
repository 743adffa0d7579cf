"""All processes of a system: each under its name, and every one of them gone at the end."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from digital_human.cgroups import Enclosure
from digital_human.child import Child
from digital_human.journal import Journal
from digital_human.ports import bind
from digital_human.processes import TAG

STOP_TIMEOUT_S = 1.0
PACKAGE = Path(__file__).parent


class Family:
    """Children by name; those that are `enclosed` have groups of their own.

    What becomes of each is written into `events`. Belongs to one event loop.
    """

    def __init__(
        self, folder: Path, events: Path, enclosure: Enclosure, enclosed: Collection[str]
    ) -> None:
        self._folder = folder
        self._events = Journal(events)
        self._enclosure = enclosure
        self._enclosed = enclosed
        self._children: dict[str, Child] = {}

    def __getitem__(self, name: str) -> Child:
        return self._children[name]

    def child(self, name: str) -> Child:
        """The child of this name, made where there is none yet."""
        return self._children.get(name) or self._made(name)

    def start_python(self, name: str, port: int, module: Sequence[str]) -> None:
        """Start a module of ours, to which the descriptor of its port is its last argument.

        Raises `ChildError` or `OSError`.
        """
        child = self.child(name)
        with bind(port) as listener:
            command = [sys.executable, "-m", *module, str(listener.fileno())]
            child.start(command, fds=[listener.fileno()])

    async def end(self, first: str) -> None:
        """End every process: the one that is named first, the rest together, by force if need be.

        Raises `ChildError` for one that would not die.
        """
        if first in self._children:
            await self._children[first].kill()
        for child in self._children.values():
            child.signal(signal.SIGTERM)
            # A stopped process would not notice before it is continued.
            child.signal(signal.SIGCONT)
        deadline = time.monotonic() + STOP_TIMEOUT_S
        for child in self._children.values():
            if not await child.wait(max(0.0, deadline - time.monotonic())):
                await child.kill()
        self._events.close()

    def to_json(self) -> dict[str, Any]:
        """Each as it is now."""
        return {child.name: told(child) for child in self._children.values()}

    def _made(self, name: str) -> Child:
        path = [str(PACKAGE.parent), os.environ.get("PYTHONPATH", "")]
        env = {
            **os.environ,
            TAG: str(self._folder),
            "PYTHONPATH": os.pathsep.join(filter(None, path)),
            "PYTHONUNBUFFERED": "1",
            # Toxiproxy's name for it; by default it writes two lines for each connection.
            "LOG_LEVEL": "info",
        }
        log = self._folder / f"{name}.log"
        groups = self._enclosure.of(name) if name in self._enclosed else []
        self._children[name] = Child(name, env=env, log=log, record=self._record, groups=groups)
        return self._children[name]

    def _record(self, kind: str, child: Child) -> None:
        self._events.write(
            {
                "kind": kind,
                "instance": child.name,
                "pid": child.incarnation.pid if child.incarnation else None,
                "time_ns": time.monotonic_ns(),
                "wall_ns": time.time_ns(),
                "detail": child.ending(),
            }
        )


def told(child: Child) -> dict[str, Any]:
    """A child as whoever asks for it is told."""
    who = child.incarnation
    return {
        "pid": who.pid if who else None,
        "start_time": who.start_time if who else None,
        "running": child.running,
        "ending": child.ending() if not child.running else None,
        "age_s": round((time.monotonic_ns() - child.started_ns) / 1e9, 3),
    }
