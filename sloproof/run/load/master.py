"""The load process that leads workers: Locust's master, and messages of our own. Load process only.

Every worker makes the arrivals `i`, `i + n`, `i + 2n`, … of one schedule, from the same moment on.
Those on this host write their own files; those elsewhere send their rows here.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gevent
from locust.runners import STATE_MISSING, MasterRunner

from sloproof.model.clock import SystemClock, boot_id
from sloproof.run.load.rows import FolderSink
from sloproof.run.load.spec import LoadSpec
from sloproof.run.load.station import new_environment, without_statistics
from sloproof.run.load.userfiles import BadProfile

POLL = 0.01
LAST_WORDS = 0.3


class WorkerLost(Exception):
    """A worker ended before its work was done."""


@dataclass(slots=True)
class Peer:
    """A worker as its master sees it."""

    number: int
    sink: FolderSink | None = None
    ready: bool = False
    done: bool = False
    progress: dict[str, Any] = field(default_factory=dict)


class Master:
    """What `Station` is to one process, for several: `prepare`, `run`, `stop`, `progress`."""

    def __init__(self, spec: LoadSpec, folder: Path) -> None:
        self._spec = spec
        self._folder = folder
        self._peers: dict[str, Peer] = {}
        self._expected = spec.workers + spec.remote_workers
        self._error = ""
        self._children: list[subprocess.Popen[bytes]] = []
        self.notices: list[str] = []
        host, _, port = spec.bind.rpartition(":")
        self._environment = new_environment(spec)
        with without_statistics(self._environment):
            self._runner: MasterRunner = self._environment.create_master_runner(host, int(port))
        for name in ("hello", "ping", "ready", "failed", "progress", "names", "rows", "done"):
            self._runner.register_message(f"sloproof.{name}", getattr(self, f"_on_{name}"))

    def prepare(self) -> None:
        """Start the workers of this host, and wait until all are ready. Raises `BadProfile`."""
        port = str(self._runner.server.port)
        command = [sys.executable, "-m", "sloproof.run.load", "--worker", "--master-port", port]
        command += ["--parent", str(os.getpid())]
        for _ in range(self._spec.workers):
            self._children.append(subprocess.Popen([*command, str(self._folder)]))
        self._wait("ready")

    def run(self, begin: int) -> dict[str, Any]:
        """Have all begin at `begin`; gives the sum of their counts when all are done."""
        self._tell("begin", at=begin)
        self._wait("done")
        self._tell("bye")
        for child in self._children:
            child.wait()
        return self.progress()

    def stop(self, at: int) -> None:
        """End the arrivals at `at`."""
        self._tell("stop", at=at)

    def progress(self) -> dict[str, Any]:
        """The sums of what the workers last said."""
        total: Counter[str] = Counter()
        said = {"last_error": "", "at": SystemClock().now()}
        for peer in self._peers.values():
            numbers = {k: v for k, v in peer.progress.items() if isinstance(v, int) and k != "at"}
            total.update(numbers)
            said["last_error"] = peer.progress.get("last_error") or said["last_error"]
        return {**_NOTHING, **total, **said}

    def _wait(self, what: str) -> None:
        while sum(getattr(peer, what) for peer in self._peers.values()) < self._expected:
            ended = any(child.poll() is not None for child in self._children)
            # What it said before it ended may not have been read yet.
            gevent.sleep(LAST_WORDS if ended else POLL)
            if self._error:
                raise BadProfile(self._error)
            if ended:
                raise WorkerLost("a worker of the load ended before its work was done")
            missing = [c.id for c in self._runner.clients.all if c.state == STATE_MISSING]
            if missing:
                raise WorkerLost(f"workers of the load fell silent: {', '.join(missing)}")

    def _tell(self, what: str, *, to: str | None = None, **data: Any) -> None:
        for node in [to] if to is not None else list(self._peers):
            self._runner.send_message(f"sloproof.{what}", data, client_id=node)

    def _on_hello(self, msg: Any, **_: Any) -> None:
        if len(self._peers) >= self._expected:
            self._tell("bye", to=msg.node_id)
            return
        peer = self._peers[msg.node_id] = Peer(len(self._peers))
        if not msg.data["has_folder"]:
            peer.sink = FolderSink(self._folder, peer.number)
        self._tell(
            "spec",
            to=msg.node_id,
            spec=self._spec.to_json(),
            worker=peer.number,
            workers=self._expected,
            boot_id=boot_id(),
            files={} if peer.sink is None else self._files(),
        )

    def _files(self) -> dict[str, str]:
        paths = [part.path for part in self._spec.mix] + ([self._spec.ca] if self._spec.ca else [])
        return {path: Path(path).read_text(encoding="utf-8") for path in paths}

    def _on_ping(self, msg: Any, **_: Any) -> None:
        self._tell("pong", to=msg.node_id, asked=msg.data["asked"], answered=SystemClock().now())

    def _on_ready(self, msg: Any, **_: Any) -> None:
        self._peers[msg.node_id].ready = True
        self.notices += [text for text in msg.data["notices"] if text not in self.notices]

    def _on_failed(self, msg: Any, **_: Any) -> None:
        self._error = msg.data["error"]

    def _on_progress(self, msg: Any, **_: Any) -> None:
        self._peers[msg.node_id].progress = msg.data

    def _on_names(self, msg: Any, **_: Any) -> None:
        sink = self._peers[msg.node_id].sink
        if sink is not None:
            sink.name(msg.data)

    def _on_rows(self, msg: Any, **_: Any) -> None:
        sink = self._peers[msg.node_id].sink
        if sink is not None:
            sink.rows(memoryview(msg.data["block"]))

    def _on_done(self, msg: Any, **_: Any) -> None:
        peer = self._peers[msg.node_id]
        clock = self._folder / f"clock-{peer.number}.json"
        clock.write_text(json.dumps(msg.data["clock"]), encoding="utf-8")
        peer.progress = msg.data["counts"]
        peer.done = True


_NOTHING = dict.fromkeys(
    ("planned", "started", "late", "no_slot", "failed_tasks", "in_flight", "unfinished"), 0
)
