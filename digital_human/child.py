"""A process that the supervisor looks after."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from digital_human.processes import Incarnation, incarnation, spawn

TAIL_BYTES = 2_000


class ChildError(Exception):
    """A child that could not be started or would not die."""


class Child:
    """One process at a time under one name; started again, it is a new incarnation.

    Belongs to one event loop, which is told of the process's end by a pidfd. `record` is called
    with "started" and "exited".
    """

    def __init__(
        self,
        name: str,
        *,
        env: Mapping[str, str],
        log: Path,
        record: Callable[[str, Child], None],
        groups: Sequence[Path] = (),
    ) -> None:
        self.name = name
        self.log = log
        self.started_ns = 0
        self._env = env
        self._record = record
        self._groups = groups
        self._process: subprocess.Popen[bytes] | None = None
        self._who: Incarnation | None = None
        self._ended = asyncio.Event()
        self._ended.set()

    @property
    def incarnation(self) -> Incarnation | None:
        """The newest process under this name, dead or alive."""
        return self._who

    @property
    def running(self) -> bool:
        """Whether the process has not ended yet."""
        return not self._ended.is_set()

    @property
    def exit_status(self) -> int | None:
        """What the process ended with, negative for a signal; `None` while it runs."""
        return self._process.returncode if self._process is not None else None

    def start(self, command: Sequence[str], fds: Sequence[int] = ()) -> Incarnation:
        """Start the process. Raises `ChildError` or `OSError`."""
        if self.running:
            raise ChildError(f"{self.name} is running already")
        self._process = spawn(command, env=self._env, log=self.log, fds=fds, groups=self._groups)
        self.started_ns = time.monotonic_ns()
        self._ended.clear()
        handle = os.pidfd_open(self._process.pid)
        asyncio.get_running_loop().add_reader(handle, self._reap, handle, self._process)
        found = incarnation(self._process.pid)
        if found is None:
            raise ChildError(f"{self.name} can't be seen in /proc")
        self._who = found
        self._record("started", self)
        return found

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, if the process still runs: not yet reaped, its pid is still its own."""
        if self.running and self._process is not None:
            self._process.send_signal(number)

    async def wait(self, within: float) -> bool:
        """Whether the process ended within so many seconds."""
        try:
            async with asyncio.timeout(within):
                await self._ended.wait()
        except TimeoutError:
            return False
        return True

    async def kill(self, within: float = 5.0) -> None:
        """End the process without asking it. Raises `ChildError` if it would not die."""
        self.signal(signal.SIGKILL)
        if not await self.wait(within):
            raise ChildError(f"{self.name} survived SIGKILL for {within:g} s")

    def ending(self) -> str:
        """How the process ended, in words."""
        return ending(self.exit_status)

    def tail(self) -> str:
        """The last lines that the process wrote to its log."""
        try:
            with self.log.open("rb") as file:
                file.seek(max(0, self.log.stat().st_size - TAIL_BYTES))
                return file.read().decode(errors="replace").strip()
        except OSError as error:
            return f"(its log can't be read: {error})"

    def _reap(self, handle: int, process: subprocess.Popen[bytes]) -> None:
        asyncio.get_running_loop().remove_reader(handle)
        os.close(handle)
        process.wait()
        self._ended.set()
        self._record("exited", self)


def ending(status: int | None) -> str:
    """An exit status in words; negative ones are signals."""
    if status is None:
        return "running"
    if status >= 0:
        return f"exited with status {status}"
    try:
        return f"killed by {signal.Signals(-status).name}"
    except ValueError:
        return f"killed by signal {-status}"
