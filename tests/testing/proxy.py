"""A real Toxiproxy with proxies in front of a server."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from digital_human.toxiproxy import find_server
from sloproof.effects.toxiproxy import Server
from tests.run.prober.stage import free_port

PATIENCE = 20


@dataclass(frozen=True, slots=True)
class Toxiproxy:
    """Its API, and where each proxy listens."""

    url: str
    ports: dict[str, int]

    @property
    def server(self) -> Server:
        return Server(self.url)


@contextmanager
def toxiproxy(folder: Path, *names: str, upstream: int) -> Iterator[Toxiproxy]:
    """A Toxiproxy whose proxies of these names all lead to the port `upstream`."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with (folder / "toxiproxy.log").open("wb") as log:
        argv = [str(find_server()), "-host", "127.0.0.1", "-port", str(port)]
        process = subprocess.Popen(argv, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + PATIENCE
        while Server(url).gone():
            assert time.monotonic() < deadline, "Toxiproxy did not come up"
            time.sleep(0.01)
        yield Toxiproxy(url, {name: _proxy(url, name, upstream) for name in names})
    finally:
        process.kill()
        process.wait()


def _proxy(url: str, name: str, upstream: int) -> int:
    body = {"name": name, "listen": "127.0.0.1:0", "upstream": f"127.0.0.1:{upstream}"}
    with urllib.request.urlopen(f"{url}/proxies", json.dumps(body).encode()) as reply:
        listen = str(json.loads(reply.read())["listen"])
    return int(listen.rpartition(":")[2])
