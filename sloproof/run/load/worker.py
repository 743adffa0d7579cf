"""One worker of a load, on this host or another: Locust's worker. Load process only.

On another host: `python -m sloproof.run.load --worker --master-host H --master-port P`. It gets
the spec and the profiles from the master and sends its rows there.
"""

from __future__ import annotations

import signal
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import gevent
import locust
from gevent.event import Event
from locust.env import Environment
from locust.runners import WorkerRunner

from sloproof.model.clock import boot_id
from sloproof.run.load.clocks import ClockOffset, Ping, offset_of, spanning
from sloproof.run.load.rows import FolderSink, Sink
from sloproof.run.load.spec import LoadSpec
from sloproof.run.load.station import Station, without_statistics
from sloproof.run.load.userfiles import BadProfile

PINGS = 30
PROGRESS_EVERY = 0.5
SILENCE = 30.0
"""Seconds without a heartbeat after which the master counts as gone."""


def work(host: str, port: int, folder: Path | None) -> int:
    """Work for the master at `host:port`; gives the exit status.

    Rows are written into `folder`, or sent to the master without one.
    """
    if folder is not None:
        # The terminal's interrupt is for the engine to answer; elsewhere it is for the worker.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    return Worker(host, port, folder).work()


class MessageSink:
    """Sends rows and names to the master."""

    def __init__(self, send: Callable[..., None]) -> None:
        self._send = send

    def rows(self, block: memoryview) -> None:
        """Send whole rows."""
        self._send("rows", block=bytes(block))

    def name(self, line: dict[str, Any]) -> None:
        """Send what a new kind or error stands for."""
        self._send("names", **line)


class Worker:
    """A worker's life: hello, spec, ready, begin, done, bye."""

    def __init__(self, host: str, port: int, folder: Path | None) -> None:
        self._folder = folder
        self._environment = Environment(events=locust.events)
        self._told: dict[str, dict[str, Any]] = {}
        self._pings: list[Ping] = []
        self._news = Event()
        self._heard = time.monotonic()
        self._offset = ClockOffset()
        self._station: Station | None = None
        events: Any = self._environment.events
        events.heartbeat_received.add_listener(self._on_heartbeat)
        with without_statistics(self._environment):
            self._runner: WorkerRunner = self._environment.create_worker_runner(host, port)
        for name in ("spec", "pong", "begin", "stop", "bye"):
            self._runner.register_message(f"sloproof.{name}", getattr(self, f"_on_{name}"))

    def work(self) -> int:
        """Do what the master says; gives the exit status."""
        self._send("hello", has_folder=self._folder is not None)
        if not self._await("spec"):
            return 1
        before = self._offset = self._clock()
        with tempfile.TemporaryDirectory(prefix="sloproof-") as place:
            station = self._station = self._new_station(Path(place))
            try:
                station.prepare()
            except BadProfile as error:
                self._send("failed", error=str(error))
                return 1
            self._send("ready", notices=station.notices)
            if not self._await("begin"):
                return 1
            running = gevent.spawn(station.run, self._told["begin"]["at"] + before.offset_ns)
            while not running.ready() and self._master_lives():
                running.join(PROGRESS_EVERY)
                self._send("progress", **station.progress())
            counts = running.get(block=False)
        clock = spanning(before, self._clock())
        self._send("done", counts=counts, clock=asdict(clock))
        self._await("bye")
        return 0

    def _new_station(self, place: Path) -> Station:
        told = self._told["spec"]
        spec = LoadSpec.from_json(told["spec"])
        moved = {}
        for n, (path, text) in enumerate(told["files"].items()):
            own = place / str(n) / Path(path).name  # several may have one name
            own.parent.mkdir()
            own.write_text(text, encoding="utf-8")
            moved[path] = str(own)
        mix = tuple(replace(part, path=moved.get(part.path, part.path)) for part in spec.mix)
        spec = replace(spec, mix=mix, ca=moved.get(spec.ca, spec.ca) if spec.ca else None)
        sink: Sink = MessageSink(self._send)
        if self._folder is not None:
            sink = FolderSink(self._folder, told["worker"])
        self._environment.host = spec.host
        self._environment.stop_timeout = spec.timeout_ns / 1e9
        return Station(spec, sink, (told["worker"], told["workers"]), self._environment)

    def _clock(self) -> ClockOffset:
        """This host's clock against the master's; exact where they are one host."""
        if self._told["spec"]["boot_id"] == boot_id() != "unknown":
            return ClockOffset()
        self._pings.clear()
        while len(self._pings) < PINGS and self._master_lives():
            self._news.clear()
            self._send("ping", asked=time.monotonic_ns())
            self._news.wait(1)
        return offset_of(self._pings)

    def _await(self, what: str) -> bool:
        """Wait for a message; False where the master said bye, or fell silent."""
        while what not in self._told:
            if "bye" in self._told or not self._master_lives():
                return False
            self._news.clear()
            self._news.wait(1)
        return True

    def _master_lives(self) -> bool:
        return time.monotonic() - self._heard < SILENCE

    def _send(self, what: str, **data: Any) -> None:
        self._runner.send_message(f"sloproof.{what}", data)

    def _on_heartbeat(self, **_: Any) -> None:
        self._heard = time.monotonic()

    def _on_spec(self, msg: Any, **_: Any) -> None:
        self._hear("spec", msg)

    def _on_begin(self, msg: Any, **_: Any) -> None:
        self._hear("begin", msg)

    def _on_bye(self, msg: Any, **_: Any) -> None:
        self._hear("bye", msg)

    def _on_stop(self, msg: Any, **_: Any) -> None:
        if self._station is not None:
            self._station.stop(msg.data["at"] + self._offset.offset_ns)

    def _on_pong(self, msg: Any, **_: Any) -> None:
        self._pings.append(Ping(msg.data["asked"], msg.data["answered"], time.monotonic_ns()))
        self._news.set()

    def _hear(self, what: str, msg: Any) -> None:
        self._told[what] = msg.data or {}
        self._news.set()
