"""The engine as a child of pytest: started, followed, and told to revert when pytest must go."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from typing import IO

from sloproof.effects.tether import tied
from sloproof.pytesting.answer import Answer, read_answer

REVERTS_WITHIN = 120.0
"""Seconds an interrupted engine gets to revert; after that its guardian is on its own."""
LOOKS_EVERY = 0.2
HINT = " (see sloproof_command in pytest's ini file)"


class Child:
    """One run in a process group of its own, which dies with this process."""

    answer: Answer | None = None
    """What the engine answered; there once `follow` ended, however it ended."""

    def __init__(self, command: Sequence[str]) -> None:
        # Files, not pipes: what outlives the engine must neither block on us nor lose its ends.
        self._stdout = tempfile.TemporaryFile()  # noqa: SIM115 - `follow` closes both
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - likewise
        self._process = subprocess.Popen(
            [*tied(signal.SIGTERM, HINT), *command],
            stdin=subprocess.DEVNULL,
            stdout=self._stdout,
            stderr=self._stderr,
            process_group=0,
        )
        self._told = 0

    def follow(self, tell: Callable[[str], None]) -> None:
        """Wait for the end, telling what the engine says; whatever interrupts us, it reverts."""
        pidfd = os.pidfd_open(self._process.pid)
        try:
            while not select.select([pidfd], [], [], LOOKS_EVERY)[0]:
                self._pass_on(tell)
        finally:
            os.close(pidfd)
            code = self._end()
            self.answer = read_answer(code, _take(self._stdout), _take(self._stderr))

    def _end(self) -> int | None:
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGINT)
        until = time.monotonic() + REVERTS_WITHIN
        while self._process.poll() is None:
            try:
                self._process.wait(timeout=until - time.monotonic())
            except subprocess.TimeoutExpired:
                break
            except KeyboardInterrupt:  # a second one does not cut the reversal short
                continue
        return self._process.returncode

    def _pass_on(self, tell: Callable[[str], None]) -> None:
        said = os.pread(self._stderr.fileno(), 1 << 16, self._told)
        whole = said[: said.rfind(b"\n") + 1]
        self._told += len(whole)
        for line in whole.decode(errors="replace").splitlines():
            if line.strip():
                tell(line)


def _take(file: IO[bytes]) -> str:
    with file:
        size = os.fstat(file.fileno()).st_size
        return os.pread(file.fileno(), size, 0).decode(errors="replace")
