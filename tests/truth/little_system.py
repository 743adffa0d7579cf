"""A system small enough to be broken a thousand times: two copies behind a Toxiproxy.

`python -m tests.truth.little_system STATE` runs it until a signal; its addresses stand in the JSON
file STATE once it is ready. `POST /restart/NAME` at its control address starts a dead copy anew.
Everything dies with this process.
"""

from __future__ import annotations

import ctypes
import json
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from digital_human.toxiproxy import find_server

COPIES = ("web-1", "web-2")
LOOPBACK = "127.0.0.1"


class Server(ThreadingHTTPServer):
    """Takes all who come: a proxy that stood still for seconds sends on hundreds at once.

    With the library's queue of 5 the kernel drops the rest, and each is tried again 1, 3, 7 s later
    by a proxy that connects for one after the other.
    """

    request_queue_size = 1024


class Copy(BaseHTTPRequestHandler):
    """One copy: `/health` is always good; `/turn` fails while `/control` says so."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    """Else a body waits for the acknowledgement of its head, 40 ms on a connection that is kept."""
    failing = 0

    def log_message(self, *args: object) -> None:
        """Say nothing."""

    def answer(self, status: int, body: object) -> None:
        raw = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def said(self) -> Any:
        return json.loads(self.rfile.read(int(self.headers.get("content-length", 0))) or b"{}")

    def do_GET(self) -> None:
        if self.path == "/control":
            self.answer(200, {"failing": Copy.failing})
        elif self.path == "/turn" and Copy.failing:
            self.answer(503, {})
        else:
            self.answer(200, {"ok": True})

    def do_PUT(self) -> None:
        Copy.failing = int(self.said()["failing"])
        self.answer(200, {"failing": Copy.failing})

    def do_DELETE(self) -> None:
        Copy.failing = 0
        self.answer(200, {"failing": 0})


class Supervisor:
    """Starts the server and the copies, and starts copies anew when it is asked to."""

    def __init__(self) -> None:
        self.ports = {name: free_port() for name in (*COPIES, "toxiproxy", *proxies())}
        self.toxiproxy = f"http://{LOOPBACK}:{self.ports['toxiproxy']}"
        self.children: dict[str, subprocess.Popen[bytes]] = {}
        self.wanted: queue.Queue[tuple[str, threading.Event]] = queue.Queue()

    def start(self) -> None:
        server = [str(find_server()), "-host", LOOPBACK, "-port", str(self.ports["toxiproxy"])]
        self.children["toxiproxy"] = spawn(server)
        for name in COPIES:
            self.start_copy(name)
        answered(f"{self.toxiproxy}/version")
        for name, copy in proxies().items():
            listen, upstream = self.ports[name], self.ports[copy]
            proxy = {"name": name, "listen": f"{LOOPBACK}:{listen}", "enabled": True}
            post(f"{self.toxiproxy}/proxies", {**proxy, "upstream": f"{LOOPBACK}:{upstream}"})

    def start_copy(self, name: str) -> None:
        """Let a copy be there; one that was killed may take a moment until it is quite dead."""
        port = self.ports[name]

        def spawn_if_dead() -> None:
            child = self.children.get(name)
            if child is None or child.poll() is not None:
                argv = [sys.executable, "-m", "tests.truth.little_system", "copy", str(port)]
                self.children[name] = spawn(argv)

        answered(f"http://{LOOPBACK}:{port}/health", meanwhile=spawn_if_dead)

    def control(self) -> Server:
        supervisor = self

        class Control(Copy):
            def do_POST(self) -> None:
                done = threading.Event()
                supervisor.wanted.put((self.path.removeprefix("/restart/"), done))
                self.answer(200 if done.wait(10) else 504, {})

        return Server((LOOPBACK, 0), Control)

    def stop(self) -> None:
        for child in self.children.values():
            child.kill()
            child.wait()


def proxies() -> dict[str, str]:
    """The proxies by name, and the copy behind each."""
    return {f"entry-{copy}": copy for copy in COPIES}


def spawn(argv: list[str]) -> subprocess.Popen[bytes]:
    """A child that dies with this process."""
    parent = os.getpid()
    prctl = ctypes.CDLL(None).prctl

    def die_with_parent() -> None:
        prctl(1, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)

    return subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=die_with_parent,  # noqa: PLW1509 - one that hangs here dies with us
    )


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind((LOOPBACK, 0))
        return int(listener.getsockname()[1])


def post(url: str, body: object) -> None:
    request = urllib.request.Request(url, json.dumps(body).encode(), method="POST")
    urllib.request.urlopen(request, timeout=5).close()


def answered(url: str, meanwhile: Callable[[], None] = lambda: None) -> None:
    """Wait until somebody answers there."""
    deadline = time.monotonic() + 20
    while True:
        meanwhile()
        try:
            urllib.request.urlopen(url, timeout=1).close()
        except (urllib.error.URLError, OSError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return


def main() -> None:
    if sys.argv[1] == "copy":
        Server((LOOPBACK, int(sys.argv[2])), Copy).serve_forever()
    state = Path(sys.argv[1])
    supervisor = Supervisor()
    control = supervisor.control()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        supervisor.start()
        threading.Thread(target=control.serve_forever, daemon=True).start()
        found = {
            "pid": os.getpid(),
            "toxiproxy": {
                "url": supervisor.toxiproxy,
                "pid": supervisor.children["toxiproxy"].pid,
            },
            "control": f"http://{LOOPBACK}:{control.server_port}",
            "ports": {name.replace("-", "_"): port for name, port in supervisor.ports.items()},
        }
        state.with_suffix(".partial").write_text(json.dumps(found))
        state.with_suffix(".partial").rename(state)
        while True:  # in the main thread: a child dies with the thread that started it
            name, done = supervisor.wanted.get()
            supervisor.start_copy(name)
            done.set()
    finally:
        state.unlink(missing_ok=True)
        supervisor.stop()


if __name__ == "__main__":
    main()
