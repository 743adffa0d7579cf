"""The engine's side of the load process: what to run, what to tell it, what it says.

Nothing here starts or waits for anything: the engine runs `argv` as an effect, and polls `state`.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from sloproof.effects.incarnation import Incarnation
from sloproof.errors import LoadError
from sloproof.model.secrets import NO_SECRETS, Secrets
from sloproof.run.load.live import Live, LiveTail, Recent
from sloproof.run.load.records import Requests, read_requests
from sloproof.run.load.spec import LoadSpec
from sloproof.run.mailbox import Inbox, Outbox


class LoadState(StrEnum):
    """How far the load process is."""

    STARTING = "starting"
    READY = "ready"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Delivered:
    """What the load process itself said when it was done."""

    planned: int
    started: int
    late: int
    no_slot: int
    unfinished: int
    failed_tasks: int
    last_error: str


class LoadProcess:
    """The load process that works in `folder`."""

    def __init__(
        self,
        folder: Path,
        spec: LoadSpec,
        secrets: Secrets = NO_SECRETS,
        keep_ns: int = 60_000_000_000,
    ) -> None:
        """`secrets` are in the environment of the process; `keep_ns`: how far `since` can look."""
        self.folder = folder
        self.spec = spec
        folder.mkdir(parents=True, exist_ok=True)
        spec.write(folder, secrets)
        self._control = Outbox(folder / "control.jsonl")
        self._status = Inbox(folder / "status.jsonl")
        self._tail = LiveTail(folder, keep_ns)
        self._state = LoadState.STARTING
        self._life: Incarnation | None = None
        self._progress: dict[str, Any] = {}
        self._begun = 0
        self.error = ""
        self.notices: list[str] = []
        self.delivered: Delivered | None = None

    def argv(self) -> tuple[str, ...]:
        """The command to run; it dies with the thread that starts it."""
        return (sys.executable, "-m", "sloproof.run.load", str(self.folder))

    def state(self) -> LoadState:
        """How far it is by now; `error` says what failed. One that was killed has failed."""
        alive = self._life is None or self._life.alive()
        self._listen()
        if not alive and self._state in (LoadState.READY, LoadState.RUNNING):
            self._failed({"error": "its process died"})
        return self._state

    def _listen(self) -> None:
        told: dict[str, Callable[[dict[str, Any]], None]] = {
            "notice": lambda message: self.notices.append(message["text"]),
            "ready": self._ready,
            "running": lambda _: self._reach(LoadState.RUNNING),
            "progress": self._progress.update,
            "done": self._done,
            "failed": self._failed,
        }
        for message in self._status.receive():
            tell = told.get(message["is"])
            if tell is not None:
                tell(message)

    def begin(self, at_ns: int) -> None:
        """Start the arrivals at `at_ns`. Raises `LoadError` where it isn't ready."""
        if self.state() is not LoadState.READY:
            raise LoadError(f"the load is {self._state}, not ready: {self.error}".rstrip(": "))
        self._begun = at_ns
        self._control.send({"do": "begin", "at": at_ns})

    def stop(self, at_ns: int) -> None:
        """No arrivals from `at_ns` on; it is done when those under way are, or timed out."""
        self._control.send({"do": "stop", "at": at_ns})

    def live(self, now_ns: int | None = None) -> Live:
        """The figures of the last five seconds, or since it began."""
        now = time.monotonic_ns() if now_ns is None else now_ns
        self.state()
        self._tail.advance(now)
        figures = self._tail.live(now, begun=self._begun)
        arrivals = self._progress.get("planned", 0)
        return replace(figures, arrivals=arrivals, in_flight=self._progress.get("in_flight", 0))

    def since(self, begin_ns: int) -> Recent:
        """The requests that ended or were refused at or after `begin_ns`, for stop conditions."""
        self._tail.advance(time.monotonic_ns())
        return self._tail.since(begin_ns)

    def requests(self, origin_ns: int) -> Requests:
        """All that was recorded, in nanoseconds from `origin_ns`."""
        return read_requests(self.folder, origin_ns)

    def _ready(self, message: dict[str, Any]) -> None:
        self._life = Incarnation.of(message["pid"])
        self._reach(LoadState.READY)

    def _reach(self, state: LoadState) -> None:
        self._state = state

    def _done(self, message: dict[str, Any]) -> None:
        self._state = LoadState.DONE
        self._progress.update(message)
        self.delivered = Delivered(**{name: message[name] for name in Delivered.__slots__})

    def _failed(self, message: dict[str, Any]) -> None:
        self._state = LoadState.FAILED
        self.error = str(message["error"])
