"""Servers that behave as scripted, and probers as processes, for the tests of this folder."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import struct
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from concurrent.futures import Future
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from threading import Thread
from typing import Any, TypeVar

from sloproof.contracts import Duration, Probe, ProbeSpec, Sample
from sloproof.run.probing.process import ProberProcess
from tests.servers import closed

ROOT = Path(__file__).parents[3]
PATIENCE_S = 20.0
EVERY_10_MS = Duration(10_000_000)

T = TypeVar("T")
Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def answer(status: int = 200, body: bytes = b"ok", headers: str = "") -> bytes:
    head = f"HTTP/1.1 {status} Word\r\ncontent-length: {len(body)}\r\n{headers}\r\n"
    return head.encode() + body


def answering(text: bytes, *, after_s: float = 0.0) -> Handler:
    """Answers every request on every connection with `text`."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.readuntil(b"\r\n\r\n"):
            await asyncio.sleep(after_s)
            writer.write(text)

    return handle


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Reads and never answers."""
    await reader.read()


async def closing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Reads the request and hangs up."""
    await reader.readuntil(b"\r\n\r\n")


async def resetting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Reads the request and resets."""
    await reader.readuntil(b"\r\n\r\n")
    reset(writer)


def reset(writer: asyncio.StreamWriter) -> None:
    """End a connection by a reset: closing it without lingering."""
    linger = struct.pack("ii", 1, 0)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.transport.abort()


@asynccontextmanager
async def serving(handler: Handler, port: int = 0) -> AsyncIterator[int]:
    """A server in this loop; gives its port."""
    tasks: set[asyncio.Task[None]] = set()
    ended = False

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if task := asyncio.current_task():
            tasks.add(task)
        try:
            if not ended:  # one that was accepted with the last breath must not live on
                await handler(reader, writer)
        except (asyncio.IncompleteReadError, OSError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", port)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        ended = True
        await closed(server)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def free_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return int(server.getsockname()[1])


def sampled(probe: Probe) -> Coroutine[Any, Any, Sample]:
    """One sample of a probe that is opened and closed for it."""

    async def take() -> Sample:
        await probe.open()
        try:
            async with asyncio.timeout(PATIENCE_S):
                return await probe.sample()
        finally:
            await probe.close()

    return take()


class Stage:
    """A loop in a thread, for servers that live beside a prober's process."""

    def __enter__(self) -> Stage:
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever)
        self._thread.start()
        self._closers: list[Callable[[], Awaitable[object]]] = []
        return self

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.start(work).result(PATIENCE_S)

    def start(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def serve(self, handler: Handler) -> int:
        context = serving(handler)
        self._closers.append(lambda: context.__aexit__(None, None, None))
        return self.run(_entered(context))

    def __exit__(self, *_: object) -> None:
        for close in self._closers:
            self.run(_awaited(close()))
        self.run(_settled())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


async def _entered(context: Any) -> int:
    port: int = await context.__aenter__()
    return port


async def _settled() -> None:
    """Wait for what connections still have to do once their server is closed."""
    await asyncio.sleep(0)
    while others := asyncio.all_tasks() - {asyncio.current_task()}:
        await asyncio.wait(others)
    await asyncio.sleep(0)


async def _awaited(work: Awaitable[T]) -> T:
    return await work


def until(condition: Callable[[], T], *, within_s: float = PATIENCE_S) -> T:
    """What `condition` gives as soon as it is true."""
    deadline = time.monotonic() + within_s
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.002)
    return found


def start(prober: ProberProcess, **options: Any) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(prober.argv(), env=environment, **options)


@contextmanager
def probing(
    folder: Path, *probes: ProbeSpec, project: Path | None = None
) -> Iterator[tuple[ProberProcess, subprocess.Popen[bytes]]]:
    """A prober at work, killed at the end if it still lives."""
    prober = ProberProcess(folder, project)
    prober.write_spec(probes)
    process = start(prober)
    try:
        until(lambda: prober.state().phase != "starting")
        yield prober, process
    finally:
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGKILL)
        process.wait(PATIENCE_S)
        prober.close()


def stopped(prober: ProberProcess, process: subprocess.Popen[bytes]) -> None:
    """Stop it and await its end."""
    prober.stop()
    assert process.wait(PATIENCE_S) == 0
    assert prober.state().phase == "done"
