"""A fast HTTP server in a process of its own, which remembers when each request came.

`python -m benchmarks.server` prints its port as JSON, then obeys lines on standard input, each
answered by one line of JSON; the end of the input ends it:

| line | meaning |
|---|---|
| `stall AFTER FOR` | answer nothing from AFTER seconds after the next request on, for FOR seconds |
| `arrivals` | when requests came since it was last asked, in ns of CLOCK_MONOTONIC |
| `stalled` | when the last stall began and ended, in ns |
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import uvloop

from benchmarks.machine import ROOT

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"


class Script:
    """What the server does and has seen."""

    def __init__(self) -> None:
        self.arrivals = array("q")
        self.planned: tuple[float, float] | None = None
        self.stalled: tuple[int, int] = (0, 0)
        self.holding = False
        self.waiting: list[tuple[asyncio.Transport, int]] = []

    def came(self, count: int) -> None:
        """Note `count` requests; the first one of a planned stall starts its clock."""
        now = time.monotonic_ns()
        self.arrivals.extend([now] * count)
        if self.planned is not None:
            after, lasts = self.planned
            self.planned = None
            asyncio.get_running_loop().call_later(after, self.hold, lasts)

    def hold(self, lasts: float) -> None:
        self.holding = True
        self.stalled = (time.monotonic_ns(), 0)
        asyncio.get_running_loop().call_later(lasts, self.release)

    def release(self) -> None:
        self.holding = False
        self.stalled = (self.stalled[0], time.monotonic_ns())
        for transport, count in self.waiting:
            if not transport.is_closing():
                transport.write(ANSWER * count)
        self.waiting.clear()

    def obey(self, line: str) -> Any:
        match line.split():
            case ["stall", after, lasts]:
                self.planned = (float(after), float(lasts))
                return True
            case ["arrivals"]:
                seen, self.arrivals = self.arrivals.tolist(), array("q")
                return seen
            case ["stalled"]:
                return self.stalled
        return None


class Connection(asyncio.Protocol):
    """Counts the ends of heads: every request is a GET without a body."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by inheritance

    def data_received(self, data: bytes) -> None:
        received = self._rest + data
        count = received.count(b"\r\n\r\n")
        self._rest = received[received.rfind(b"\r\n\r\n") + 4 :] if count else received
        if not count:
            return
        self._script.came(count)
        if self._script.holding:
            self._script.waiting.append((self._transport, count))
        else:
            self._transport.write(ANSWER * count)


async def _serve() -> None:
    loop = asyncio.get_running_loop()
    script = Script()
    server = await loop.create_server(lambda: Connection(script), "127.0.0.1", 0, backlog=4096)
    commands = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    _tell({"port": server.sockets[0].getsockname()[1]})
    while line := await commands.readline():
        _tell(script.obey(line.decode()))


def _tell(answer: Any) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


class Server:
    """The server's process, from outside."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.url = f"http://127.0.0.1:{self._heard()['port']}"

    def ask(self, line: str) -> Any:
        """Send a command; its answer."""
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        return self._heard()

    def _heard(self) -> Any:
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())


@contextmanager
def serving() -> Iterator[Server]:
    """A server that ends with the block."""
    with subprocess.Popen(
        [sys.executable, "-m", "benchmarks.server"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield Server(process)
        finally:
            process.kill()


if __name__ == "__main__":
    uvloop.run(_serve())
