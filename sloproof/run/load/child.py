"""The load process, alone or leading workers. Run as `python -m sloproof.run.load FOLDER`."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any, Protocol

import gevent

from sloproof.run.load.master import Master, WorkerLost
from sloproof.run.load.rows import FolderSink
from sloproof.run.load.spec import LoadSpec
from sloproof.run.load.station import Station
from sloproof.run.load.userfiles import BadProfile
from sloproof.run.mailbox import Inbox, Outbox

POLL = 0.01
PROGRESS_EVERY = 0.5


def run(folder: Path) -> int:
    """Do what the spec and the commands in `folder` say; gives the exit status."""
    status = Outbox(folder / "status.jsonl")
    status.hide(LoadSpec.secrets_in(folder))
    spec = LoadSpec.read(folder)
    maker = Master(spec, folder) if spec.distributed else Station(spec, FolderSink(folder, 0))
    try:
        maker.prepare()
        for notice in maker.notices:
            status.send({"is": "notice", "text": notice})
        status.send({"is": "ready", "pid": os.getpid()})
        done = Commands(Inbox(folder / "control.jsonl"), maker, status).obey()
    except (BadProfile, WorkerLost) as error:
        status.send({"is": "failed", "error": str(error)})
        return 1
    except Exception as error:  # the engine must hear of it, whatever it is
        status.send({"is": "failed", "error": f"{type(error).__name__}: {error}"})
        raise
    status.send({"is": "done", **done})
    return 0


class Maker(Protocol):
    """What makes the arrivals: this process, or the workers it leads."""

    def run(self, begin: int) -> dict[str, Any]:
        """Make them from `begin` to the stop; gives their counts."""

    def stop(self, at: int) -> None:
        """End them at `at`."""

    def progress(self) -> dict[str, Any]:
        """Their counts so far."""


class Commands:
    """Follows the engine's commands until the load is over."""

    def __init__(self, inbox: Inbox, maker: Maker, status: Outbox) -> None:
        self._inbox = inbox
        self._maker = maker
        self._status = status
        self._running: gevent.Greenlet | None = None
        self._told = 0.0

    def obey(self) -> dict[str, Any]:
        """Begin, run and stop as told; gives the counts of the arrivals."""
        gevent.signal_handler(signal.SIGTERM, lambda: self._follow({"do": "stop", "at": 0}))
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        while self._running is None or not self._running.ready():
            for command in self._inbox.receive():
                self._follow(command)
            self._report()
            gevent.sleep(POLL)
        return dict(self._running.get())

    def _follow(self, command: dict[str, Any]) -> None:
        if command["do"] == "begin" and self._running is None:
            self._running = gevent.spawn(self._maker.run, command["at"])
            self._status.send({"is": "running", "at": command["at"]})
        elif command["do"] == "stop":
            self._maker.stop(command["at"])
            if self._running is None:
                self._running = gevent.spawn(self._maker.run, time.monotonic_ns())

    def _report(self) -> None:
        now = time.monotonic()
        if self._running is not None and now - self._told >= PROGRESS_EVERY:
            self._told = now
            self._status.send({"is": "progress", **self._maker.progress()})
