"""A store small enough to be broken: a primary and its standby, and who promotes it.

`python -m tests.system.little_store STATE [synchronous]` runs it until a signal; its addresses
stand in the JSON file STATE once it is ready. Replication passes a gate, which `POST /hold` at its
control address closes and `POST /release` opens; `GET /held` answers 200 while it is closed. When
the primary is gone the standby is promoted. `POST /restart/NAME` starts a dead server anew, on the
data that it had. Everything dies with this process.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import queue
import signal
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psycopg

from digital_human.ports import LOOPBACK
from digital_human.postgres import replication
from digital_human.postgres.server import Server
from tests.postgres import Running, server, servers, until

TABLE = "create table ledger (id text, run text, sequence bigint)"


class Gate:
    """A way for bytes that can be closed: what comes meanwhile stays where it is."""

    def __init__(self, upstream: int) -> None:
        self.upstream = upstream
        self.open = threading.Event()
        self.open.set()
        self.listening = socket.create_server((LOOPBACK, 0))
        self.port: int = self.listening.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            near, _ = self.listening.accept()
            try:
                far = socket.create_connection((LOOPBACK, self.upstream))
            except OSError:
                near.close()
                continue
            for pair in ((near, far), (far, near)):
                threading.Thread(target=self._carry, args=pair, daemon=True).start()

    def _carry(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                if not self.open.is_set():
                    break  # what a closed gate has taken in is lost with the connection
                target.sendall(data)
        for each in (source, target):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


class Store:
    """Both servers, and what is wanted of this process's main thread, whose children they are."""

    def __init__(self, root: Path, running: Running, ports: Any, *, synchronous: bool) -> None:
        self.running = running
        self.synchronous = synchronous
        self.servers = {name: server(root, ports, name) for name in ("a", "b")}
        self.wanted: queue.Queue[tuple[str, threading.Event]] = queue.Queue()
        self.promoted = False

    def start(self) -> None:
        a, b = self.servers.values()
        asyncio.run(a.initialise())
        self.running.start(a)
        with psycopg.connect(a.dsn) as connection:
            connection.execute(TABLE)
        self.gate = Gate(a.port)
        asyncio.run(b.clone(LOOPBACK, self.gate.port, "b"))
        self.running.start(b)
        if self.synchronous:
            asyncio.run(replication.wait_for(a.dsn, ["b"]))
        until(lambda: self._streams(a), "the standby did not catch up")

    def _streams(self, primary: Server) -> bool:
        found = asyncio.run(replication.lag(primary.dsn))
        return any(each.state == "streaming" and not each.replay_bytes for each in found)

    def look_after(self) -> None:
        """Promote the standby once the primary is gone, and start what is wanted; for ever."""
        while True:
            if not self.promoted and self.running.processes["a"].poll() is not None:
                asyncio.run(self.servers["b"].promote())
                self.promoted = True
            with contextlib.suppress(queue.Empty):
                name, done = self.wanted.get(timeout=0.02)
                self.running.start(self.servers[name])
                done.set()

    def control(self) -> ThreadingHTTPServer:
        store = self

        class Control(BaseHTTPRequestHandler):
            def log_message(self, *args: object) -> None:
                """Say nothing."""

            def answer(self, status: int) -> None:
                self.send_response(status)
                self.send_header("content-length", "0")
                self.end_headers()

            def do_GET(self) -> None:
                self.answer(404 if store.gate.open.is_set() else 200)

            def do_POST(self) -> None:
                if self.path == "/hold":
                    store.gate.open.clear()
                elif self.path == "/release":
                    store.gate.open.set()
                else:
                    done = threading.Event()
                    store.wanted.put((self.path.removeprefix("/restart/"), done))
                    done.wait(20)
                self.answer(200)

        return ThreadingHTTPServer((LOOPBACK, 0), Control)


def main() -> None:
    state, synchronous = Path(sys.argv[1]), sys.argv[2:] == ["synchronous"]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with servers() as (root, ports, running):
        store = Store(root, running, ports, synchronous=synchronous)
        store.start()
        control = store.control()
        threading.Thread(target=control.serve_forever, daemon=True).start()
        a, b = store.servers.values()
        head, _, name = a.dsn.rpartition("/")
        found = {
            "control": f"http://{LOOPBACK}:{control.server_port}",
            "ports": {"a": a.port, "b": b.port},
            "dsns": {"a": a.dsn, "b": b.dsn},
            "anywhere": f"{head},{LOOPBACK}:{b.port}/{name}?target_session_attrs=read-write",
            "started": time.monotonic_ns(),
        }
        state.with_suffix(".partial").write_text(json.dumps(found))
        state.with_suffix(".partial").rename(state)
        try:
            store.look_after()
        finally:
            state.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
