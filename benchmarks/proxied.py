"""A smallest target, one proxy of a Toxiproxy, and runs of sloproof against it to be ended.

Only the public command line is driven; what is left is looked for in the proxy and in `/proc`.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.gauged import pids
from benchmarks.machine import ROOT
from benchmarks.projects import project
from benchmarks.server import serving
from digital_human.toxiproxy import find_server

PROXY = "web"
SETTLE_S = 0.2
"""How long nothing may appear once everybody is gone."""
PATIENCE_S = 15
SPEC = """\
  variables: {lasts: 400ms}
  baseline: 100ms
  faults:
    - {name: slow, inject: latency, where: {from: client, to: web}, with: {delay: 50ms},
       at: 100ms, for: $(lasts)}
  recovery: {at_least: 100ms, at_most: 200ms}
  verify: [{slo: availability}]
"""
TARGET = """\
  platform: external
  entry: {{url: "http://127.0.0.1:{port}"}}
  services: {{web: {{instances: [{{name: web-1, listens: {port}}}]}}}}
  links:
    - {{from: client, to: web, entry: true, proxy: {{server: "{api}", name: web}}}}
"""


@dataclass(slots=True)
class Harness:
    """One run of sloproof, until it is ended."""

    world: Proxied
    process: subprocess.Popen[bytes]
    state: Path
    struck: float = 0.0
    present: bool = False
    status: int = 0

    def strike(self, number: signal.Signals, *others: int) -> None:
        """Send a signal to the engine and others at once; remember when, and what was there."""
        self.present = bool(self.world.toxics())
        self.struck = time.monotonic()
        for pid in (self.process.pid, *others):
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def processes(self) -> list[int]:
        """Those that live and belong to this run: they carry its state folder with them."""
        own = f"SLOPROOF_STATE_DIR={self.state}".encode()
        return [pid for pid in pids() if own in _read(f"/proc/{pid}/environ").split(b"\0")]

    def phase(self) -> str:
        """The phase that the record last told of; "" before there is one."""
        for events in self.state.parent.glob("runs/*/events.jsonl"):
            found = [line for line in events.read_text().splitlines() if '"kind":"phase"' in line]
            return str(json.loads(found[-1])["phase"]) if found else ""
        return ""

    def guardian(self) -> int | None:
        """The guardian's pid, if there is one yet."""
        words = {pid: _read(f"/proc/{pid}/cmdline").split(b"\0") for pid in self.processes()}
        return next((pid for pid in words if b"sloproof.run.guardian" in words[pid]), None)

    def recover(self) -> None:
        """`sloproof recover`."""
        argv = [sys.executable, "-m", "sloproof", "recover"]
        done = subprocess.run(
            argv, cwd=ROOT, env=_environment(self.state), capture_output=True, check=False
        )
        self.status = done.returncode


@dataclass(frozen=True, slots=True)
class Aftermath:
    """What was seen after a blow: whether a toxic was there at it, for how long after it one was
    seen, and what stayed: toxics and processes in the world, journals for `recover` to read.
    """

    present: bool
    revert_s: float
    toxics: int
    processes: int
    journals: int

    @property
    def left(self) -> int:
        return self.toxics + self.processes


@dataclass(slots=True)
class Proxied:
    """The Toxiproxy with its one proxy, and the project that has a fault for it."""

    api: str
    folder: Path
    experiment: Path
    runs: int = field(default=0)

    def toxics(self) -> list[str]:
        """The names of the toxics in the world; a proxy that is disabled counts as one."""
        state = self._ask("GET", f"/proxies/{PROXY}")
        down = [] if state["enabled"] else ["disabled"]
        return [toxic["name"] for toxic in state["toxics"]] + down

    @contextmanager
    def running(self, *more: str) -> Iterator[Harness]:
        """A run that has just been started; nothing of it is left after the block."""
        self.runs += 1
        folder = self.folder / f"run-{self.runs}"
        argv = [sys.executable, "-m", "sloproof", "run", str(self.experiment), *more]
        argv += ["--no-report", "--allow-inconclusive", f"--runs={folder / 'runs'}"]
        process = subprocess.Popen(
            argv,
            cwd=ROOT,
            env=_environment(folder / "state"),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        harness = Harness(self, process, folder / "state")
        try:
            yield harness
        finally:
            for pid in harness.processes():
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            process.kill()
            process.wait()
            self._ask("POST", "/reset")
            shutil.rmtree(folder, ignore_errors=True)

    def whole_run(self) -> float:
        """How many seconds a run takes that nobody ends."""
        began = time.monotonic()
        with self.running() as harness:
            status = harness.process.wait(PATIENCE_S)
            assert status == 3, f"a run that nobody ends has the exit status {status}"
        return time.monotonic() - began

    def aftermath(self, harness: Harness, *, settled: Callable[[], object] = list) -> Aftermath:
        """Watch until everybody is gone and nothing is there; then `settled`, then look again."""
        last = harness.struck
        deadline = harness.struck + PATIENCE_S
        looked = 0.0
        while time.monotonic() < deadline:
            if self.toxics():
                last = time.monotonic()
            if time.monotonic() - looked > 0.05:
                looked = time.monotonic()
                if not _living(harness):
                    break
            time.sleep(0.003)
        settled()
        until = time.monotonic() + SETTLE_S
        while time.monotonic() < until:
            if self.toxics() and settled is list:
                last = time.monotonic()
            time.sleep(0.01)
        return Aftermath(
            present=harness.present,
            revert_s=last - harness.struck,
            toxics=len(self.toxics()),
            processes=len(_living(harness)),
            journals=len(list(harness.state.glob("runs/*/journal"))),
        )

    def _ask(self, method: str, path: str, body: object = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        asked = urllib.request.Request(self.api + path, data=data, method=method)  # noqa: S310 - loopback
        with urllib.request.urlopen(asked, timeout=5) as answer:  # noqa: S310 - likewise
            said = answer.read()
        return json.loads(said) if said else None

    def add_proxy(self, listen: int, upstream: str) -> None:
        proxy = {"name": PROXY, "listen": f"127.0.0.1:{listen}", "upstream": upstream}
        self._ask("POST", "/proxies", proxy)


@contextmanager
def standing(folder: Path) -> Iterator[Proxied]:
    """A Toxiproxy before a small server, and a project that knows it."""
    api, door = _free_port(), _free_port()
    argv = [str(find_server()), "-host=127.0.0.1", f"-port={api}"]
    with (
        serving() as server,
        subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as proxy,
    ):
        try:
            address = f"http://127.0.0.1:{api}"
            target = TARGET.format(port=door, api=address)
            world = Proxied(address, folder, project(folder / "project", SPEC, target=target))
            _await_port(api)
            world.add_proxy(door, server.url.removeprefix("http://"))
            yield world
        finally:
            proxy.kill()


def _living(harness: Harness) -> list[int]:
    harness.process.poll()
    return harness.processes()


def _environment(state: Path) -> dict[str, str]:
    return {**os.environ, "SLOPROOF_STATE_DIR": str(state), "PYTHONPATH": str(ROOT)}


def _read(path: str) -> bytes:
    """What stands in a file of `/proc`; nothing of a process that is gone."""
    with suppress(OSError):
        return Path(path).read_bytes()
    return b""


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _await_port(port: int) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.01)
    raise RuntimeError(f"nobody listens at port {port}")
