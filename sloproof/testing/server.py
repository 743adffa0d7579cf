"""An HTTP server that misbehaves on purpose, at moments that are known.

```python
outage = Act(begin=Duration.parse("1s"), end=Duration.parse("1.5s"), how=How.REFUSE)
with ScriptedServer(outage) as server:
    zero = server.begin()               # CLOCK_MONOTONIC nanoseconds
    ...                                 # probe or load `server.url`
    [happened] = server.happened()      # when the port really was closed, and open again
```
"""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import TracebackType

from sloproof.model.units import Duration

LINGER_NOT = struct.pack("ii", 1, 0)
NOTHING = Duration(0)


class How(StrEnum):
    """What becomes of a request that is whole while an act lasts, or of the port itself."""

    ANSWER = "answer"
    """It gets the act's answer, after the answer's delay."""
    HANG = "hang"
    """It gets the act's answer when the act ends, as from a system that stalled."""
    SILENT = "silent"
    """It never gets an answer."""
    CLOSE = "close"
    """The connection ends without an answer."""
    RESET = "reset"
    """The connection is reset."""
    REFUSE = "refuse"
    """The port is closed and every open connection reset; nobody gets as far as a request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answer, sent `delay` after the request was whole."""

    status: int = 200
    body: bytes = b"ok"
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: Duration = NOTHING

    def raw(self) -> bytes:
        """The bytes on the wire."""
        more = "".join(f"{name}: {value}\r\n" for name, value in self.headers.items())
        head = f"HTTP/1.1 {self.status} X\r\ncontent-length: {len(self.body)}\r\n{more}\r\n"
        return head.encode("latin-1") + self.body


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """What the server does in [begin, end), counted from the script's begin; usually it answers."""

    begin: Duration
    end: Duration
    how: How = How.ANSWER
    answer: Answer = field(default_factory=Answer)


@dataclass(frozen=True, slots=True)
class Happened:
    """When an act really began and ended, each between two CLOCK_MONOTONIC nanoseconds.

    The two differ only where something had to be done in the world, that is for `REFUSE`: which act
    a request falls into is decided by the clock at the moment when it is whole.
    """

    act: Act
    began: tuple[int, int]
    ended: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Served:
    """A request as the server saw it; `answered` is None where it got no answer (yet)."""

    method: str
    path: str
    received: int
    answered: int | None
    status: int | None


class ScriptedServer:
    """Serves on loopback from a thread of its own; a context manager.

    Acts must not overlap. Before `begin`, between the acts and after them every request gets the
    `usual` answer. Raises `ValueError` for acts that overlap or end before they begin.
    """

    def __init__(self, *acts: Act, usual: Answer | None = None, port: int = 0) -> None:
        self._acts = sorted(acts, key=lambda act: act.begin)
        edges = [edge for act in self._acts for edge in (act.begin, act.end)]
        backwards = [act for act in self._acts if act.end <= act.begin]
        if backwards or edges != sorted(edges):
            raise ValueError("acts end after they begin, and before the next one begins")
        self._usual = usual or Answer()
        self._how = How.ANSWER
        self._zero: int | None = None
        self._served: list[Served] = []
        self._closed: dict[int, tuple[int, int]] = {}
        self._opened: dict[int, tuple[int, int]] = {}
        self._open: set[_Connection] = set()
        self._loop = asyncio.new_event_loop()
        self._listening: socket.socket | None = None
        self._arriving: set[asyncio.Task[object]] = set()
        self.port = port

    @property
    def url(self) -> str:
        """Where it serves, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def served(self) -> tuple[Served, ...]:
        """The requests so far, in the order in which they were whole."""
        return tuple(self._served)

    def __enter__(self) -> ScriptedServer:
        self._thread = threading.Thread(target=self._loop.run_forever, name="scripted server")
        self._thread.start()
        self._do(self._listen)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._leave(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def begin(self, at: int | None = None) -> int:
        """Begin the script, now or at a time to come; gives that time in nanoseconds."""
        zero = time.monotonic_ns() if at is None else at
        self._loop.call_soon_threadsafe(self._begin, zero)
        return zero

    def change(self, usual: Answer | None = None, how: How = How.ANSWER) -> None:
        """From now on do this outside the acts: by default, answer as usual.

        Requests under way keep their fate. Raises `ValueError` for `HANG`, which needs an end.
        """
        if how is How.HANG:
            raise ValueError("what hangs needs an end: give it as an act")
        if how is How.REFUSE or self._listening is None:
            self._do(self._shut if how is How.REFUSE else self._listen)
        self._how, self._usual = how, usual or Answer()

    def happened(self) -> tuple[Happened, ...]:
        """The acts that are over, in order, with their true times."""
        zero, now = self._zero, time.monotonic_ns()
        if zero is None:
            return ()
        found = []
        for number, act in enumerate(self._acts):
            exact = (zero + act.begin.ns,) * 2, (zero + act.end.ns,) * 2
            if act.how is not How.REFUSE and exact[1][0] <= now:
                found.append(Happened(act, *exact))
            elif number in self._opened:
                found.append(Happened(act, self._closed[number], self._opened[number]))
        return tuple(found)

    def _do(self, work: Callable[[], None]) -> None:
        """Do something in the loop, and wait until it is done."""

        async def working() -> None:
            work()

        asyncio.run_coroutine_threadsafe(working(), self._loop).result()

    # -- in the loop

    def _begin(self, zero: int) -> None:
        self._zero = zero
        for number, act in enumerate(self._acts):
            if act.how is How.REFUSE:
                self._at(zero + act.begin.ns, number, self._close_port)
                self._at(zero + act.end.ns, number, self._open_port)

    def _at(self, moment: int, act: int, do: Callable[[int], None]) -> None:
        self._loop.call_later(max(0, moment - time.monotonic_ns()) / 1e9, do, act)

    def _close_port(self, act: int) -> None:
        before = time.monotonic_ns()
        self._shut()
        self._closed[act] = (before, time.monotonic_ns())

    def _open_port(self, act: int) -> None:
        before = time.monotonic_ns()
        self._listen()
        self._opened[act] = (before, time.monotonic_ns())

    def _listen(self) -> None:
        """Open the port. `asyncio.Server` loses what it accepts while it is being closed."""
        listening = socket.socket()
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.setblocking(False)
        listening.bind(("127.0.0.1", self.port))
        listening.listen(4096)
        self.port = listening.getsockname()[1]
        self._listening = listening
        self._loop.add_reader(listening, self._accept, listening)

    def _accept(self, listening: socket.socket) -> None:
        try:
            accepted, _ = listening.accept()
        except OSError:
            return  # who knocked has gone again
        accepted.setblocking(False)
        making = self._loop.connect_accepted_socket(lambda: _Connection(self), accepted)
        task: asyncio.Task[object] = self._loop.create_task(making)
        self._arriving.add(task)
        task.add_done_callback(self._arriving.discard)

    def _shut(self) -> None:
        """Close the port, and reset every connection."""
        if self._listening is not None:
            self._loop.remove_reader(self._listening)
            self._listening.close()
            self._listening = None
        for connection in tuple(self._open):
            connection.reset()

    async def _leave(self) -> None:
        self._shut()
        if self._arriving:
            await asyncio.wait(self._arriving)
        for _ in range(3):  # an aborted connection is lost a turn of the loop later, then closed
            await asyncio.sleep(0)

    def _now(self) -> tuple[How, Answer, int]:
        """What becomes of a request that is whole now, and in how many nanoseconds."""
        now = time.monotonic_ns()
        for act in self._acts if self._zero is not None else ():
            begin, end = (self._zero or 0) + act.begin.ns, (self._zero or 0) + act.end.ns
            if begin <= now < end and act.how is not How.REFUSE:
                wait = end - now if act.how is How.HANG else act.answer.delay.ns
                return act.how, act.answer, wait
        return self._how, self._usual, self._usual.delay.ns


class _Connection(asyncio.Protocol):
    """One connection: a request at a time, each as the script has it."""

    def __init__(self, script: ScriptedServer) -> None:
        self._script = script
        self._received = b""
        self._busy = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - asyncio's own promise
        self._transport = transport
        self._script._open.add(self)
        if self._script._listening is None:
            self.reset()  # it was accepted with the last breath

    def connection_lost(self, error: Exception | None) -> None:
        self._script._open.discard(self)

    def data_received(self, data: bytes) -> None:
        self._received += data
        self._next()

    def reset(self) -> None:
        """End it by a reset: closing without lingering."""
        made: socket.socket = self._transport.get_extra_info("socket")
        made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NOT)
        self._transport.abort()

    def _next(self) -> None:
        """Take the next whole request, once the one before is done with."""
        head, found, rest = self._received.partition(b"\r\n\r\n")
        length = _length(head)
        if self._busy or not found or len(rest) < length:
            return
        self._received = rest[length:]
        method, path, *_ = head.decode("latin-1").split(" ", 2)
        self._serve(Served(method, path, time.monotonic_ns(), None, None))

    def _serve(self, request: Served) -> None:
        script = self._script
        how, answer, wait = script._now()
        number = len(script._served)
        script._served.append(request)
        if how is How.RESET:
            self.reset()
        elif how is How.CLOSE:
            self._transport.close()
        elif how is not How.SILENT:
            self._busy = True
            script._loop.call_later(wait / 1e9, self._answer, number, answer)

    def _answer(self, number: int, answer: Answer) -> None:
        self._busy = False
        if self._transport.is_closing():
            return
        served = self._script._served
        now = time.monotonic_ns()
        served[number] = replace(served[number], answered=now, status=answer.status)
        self._transport.write(answer.raw())
        self._next()


def _length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.strip() == b"content-length":
            return int(value)
    return 0
