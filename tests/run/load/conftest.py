"""A scripted HTTP server, and load processes against it."""

from __future__ import annotations

import asyncio
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from sloproof.run.load.process import LoadProcess, LoadState
from sloproof.run.load.spec import LoadSpec, Part
from sloproof.spec.pieces import SECOND, Piece
from tests.servers import closed


def profile(task: str, kind: str = "FastHttpUser", more: str = "pass") -> str:
    """A locustfile whose user `U` does one thing."""
    return f"""
import gevent
from locust import {kind}, task

class U({kind}):
    {more}
    @task
    def t(self):
        {task}
"""


def getting(path: str, kind: str = "FastHttpUser") -> str:
    """A locustfile whose user gets `path`."""
    return profile(f"self.client.get({path!r})", kind)


class Scripted:
    """Answers every request as its path says, but nothing during a stall, and counts them.

    `/status/503` answers that status, `/hang` never answers, `/drip` sends a byte now and then,
    all else `{"id": "s1"}`.
    """

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.stall = (0.0, 0.0)
        self.answers: dict[str, int] = {}
        self.connections = 0
        self.open: set[asyncio.Transport] = set()
        self._loop = asyncio.new_event_loop()
        started = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(started,), daemon=True)
        self._thread.start()
        started.wait()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, started: threading.Event) -> None:
        create = self._loop.create_server(lambda: _Connection(self), "127.0.0.1", 0, backlog=4096)
        self._server = self._loop.run_until_complete(create)
        started.set()
        self._loop.run_forever()
        self._loop.run_until_complete(self._end())

    async def _end(self) -> None:
        await closed(self._server)
        await asyncio.sleep(0)  # whoever was accepted last is in `open` then
        for transport in tuple(self.open):
            transport.abort()
        await asyncio.sleep(0)


class _Connection(asyncio.Protocol):
    def __init__(self, script: Scripted) -> None:
        self._script = script
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._script.open.add(transport)
        self._script.connections += 1

    def connection_lost(self, error: Exception | None) -> None:
        self._script.open.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, found, body = self._received.partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        lengths = [
            line.split(":")[1] for line in lines if line.lower().startswith("content-length")
        ]
        if not found or len(body) < int((lengths or ["0"])[0]):
            return
        self._received = b""
        method, path, _ = lines[0].split()
        self._script.seen.append(f"{method} {path}")
        if path == "/drip":
            self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
            self._drip()
        elif path != "/hang":
            begin, end = self._script.stall
            now = time.monotonic()
            loop = asyncio.get_running_loop()
            loop.call_later(end - now if begin <= now < end else 0, self._answer, path)

    def _drip(self) -> None:
        if not self._transport.is_closing():
            self._transport.write(b"x")
            asyncio.get_running_loop().call_later(0.05, self._drip)

    def _answer(self, path: str) -> None:
        _, _, last = path.rpartition("/status/")
        status = (
            int(last) if last != path and last.isdigit() else self._script.answers.get(path, 200)
        )
        if self._transport.is_closing():
            return
        self._transport.write(
            f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\n"
            'Content-Length: 12\r\n\r\n{"id": "s1"}'.encode()
        )


class Load:
    """A load process under test."""

    def __init__(self, folder: Path, spec: LoadSpec) -> None:
        self.engine = LoadProcess(folder, spec)
        self.child = subprocess.Popen(self.engine.argv())
        self.began = 0

    def until(self, done: Callable[[], bool], within: float = 60) -> None:
        deadline = time.monotonic() + within
        while not done():
            assert time.monotonic() < deadline, f"{self.engine.state()}: {self.engine.error}"
            time.sleep(0.01)

    def ready(self) -> Load:
        self.until(lambda: self.engine.state() is not LoadState.STARTING)
        assert self.engine.state() is LoadState.READY, self.engine.error
        return self

    def begin(self, ahead: float = 0.2) -> Load:
        self.ready()
        self.began = time.monotonic_ns() + round(ahead * SECOND)
        self.engine.begin(self.began)
        return self

    def stop(self, after: float) -> Load:
        """Stop `after` seconds from the begin, and wait until it is done."""
        self.engine.stop(self.began + round(after * SECOND))
        self.until(lambda: self.engine.state() in {LoadState.DONE, LoadState.FAILED})
        assert self.engine.state() is LoadState.DONE, self.engine.error
        return self

    def rows(self) -> dict[str, NDArray[Any]]:
        batches = list(self.engine.requests(self.began).batches())
        return {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}


Start = Callable[..., Load]


@pytest.fixture
def server() -> Iterator[Scripted]:
    script = Scripted()
    yield script
    script.close()


@pytest.fixture
def start(tmp_path: Path, server: Scripted) -> Iterator[Start]:
    """Start a load from a profile's text at a level rate; every process ends with the test."""
    started: list[Load] = []

    def make(text: str = getting("/items/1"), *, rate: float = 50, **spec: Any) -> Load:
        path = tmp_path / "profile.py"
        path.write_text(text)
        level = Piece(0, None, Fraction(rate), Fraction(rate))
        spec = {
            "mix": (Part("profile", str(path), Fraction(1)),),
            "pieces": (level,),
            "host": server.url,
            **spec,
        }
        started.append(Load(tmp_path / f"load-{len(started)}", LoadSpec(**spec)))
        return started[-1]

    yield make
    for load in started:
        load.child.kill()
        load.child.wait()
