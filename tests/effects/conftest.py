"""Real things to break: processes, a Toxiproxy in front of an HTTP server."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from digital_human.toxiproxy import find_server
from sloproof.effects.incarnation import Incarnation
from sloproof.effects.toxiproxy import Server


def wait_for(condition: Callable[[], object], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "what was waited for did not come"
        time.sleep(0.01)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    setting: dict[str, object]

    def _answer(self, status: int, body: object) -> None:
        raw = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def do_GET(self) -> None:
        if self.path == "/bulk":
            self._answer(200, "x" * 20_000)
        else:
            self._answer(200, self.setting)

    def do_PUT(self) -> None:
        length = int(self.headers["content-length"])
        self.setting.update(json.loads(self.rfile.read(length)))
        self._answer(200, self.setting)

    def do_DELETE(self) -> None:
        self.setting.clear()
        self.setting.update({"failure_rate": 0.0, "status": 503})
        self._answer(200, self.setting)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture(scope="session")
def backend() -> Iterator[str]:
    Handler.setting = {"failure_rate": 0.0, "status": 503}
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield f"127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@dataclass(slots=True)
class Toxiproxy:
    url: str
    process: subprocess.Popen[bytes]
    listen: str = ""
    proxies: list[str] = field(default_factory=list)


@pytest.fixture
def toxiproxy(backend: str, tmp_path: Path) -> Iterator[Toxiproxy]:
    port = _free_port()
    with (tmp_path / "toxiproxy.log").open("wb") as log:
        argv = [str(find_server()), "-host", "127.0.0.1", "-port", str(port)]
        process = subprocess.Popen(argv, stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}"
    try:
        wait_for(lambda: not Server(url).gone())
        body = json.dumps({"name": "link", "listen": "127.0.0.1:0", "upstream": backend}).encode()
        with urllib.request.urlopen(f"{url}/proxies", body) as reply:
            listen = json.loads(reply.read())["listen"]
        yield Toxiproxy(url, process, listen)
    finally:
        process.kill()
        process.wait()


def _free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def sleeper() -> Iterator[Incarnation]:
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    life = Incarnation.of(process.pid)
    assert life is not None
    yield life
    process.kill()
    process.wait()
