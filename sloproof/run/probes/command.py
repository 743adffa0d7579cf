"""`command`: does a program end with status 0.

`value` is how long it ran, in seconds. Details of what isn't good: `exit N` (negative: ended by
signal −N), `timeout`. `inverted` turns it around: status 0 is bad (`exit 0`), all others are good.
A program that can't be started any more gives no samples. It runs without a shell, with its
input and outputs closed, in a session of its own; what it has started is killed with it when the
time-out passes, and it dies with the prober. Samples never overlap: a tick that finds the one
before still running is `busy`.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import shutil
import signal
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import DEVNULL
from time import monotonic_ns
from typing import ClassVar

from sloproof.contracts import Probe, Sample

REAPED_WITHIN_S = 1.0
"""A killed process that waits for a broken disk is not waited for any longer."""

_PR_SET_PDEATHSIG = 1


class CannotStart(Exception):
    """The program can't be started: that says nothing about what it would have looked at."""


@dataclass(frozen=True, kw_only=True)
class Command(Probe):
    """Runs `argv` in `folder`; `env` is added to the prober's own environment."""

    kind: ClassVar[str] = "command"

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    folder: str = "."
    inverted: bool = False

    async def open(self) -> None:
        """Find the program."""
        if not self.argv:
            raise ValueError("argv: nothing is given")
        name = self.argv[0]
        # A path is taken from `folder`, a bare name from PATH.
        if shutil.which(str(Path(self.folder, name)) if "/" in name else name) is None:
            raise ValueError(f"argv: no such program: {name}")

    async def sample(self) -> Sample:
        """Run it once."""
        began = monotonic_ns()
        try:
            process = await asyncio.create_subprocess_exec(
                *self.argv,
                cwd=self.folder,
                env={**os.environ, **self.env},
                stdin=DEVNULL,
                stdout=DEVNULL,
                stderr=DEVNULL,
                start_new_session=True,
                preexec_fn=_dying_with_parent(),
            )
        except OSError as error:
            raise CannotStart(f"{self.argv[0]}: {error}") from error
        try:
            status = await process.wait()
        finally:
            await _end(process)
        took = (monotonic_ns() - began) / 1e9
        good = (status == 0) != self.inverted
        return Sample(ok=good, value=took, detail="" if good else f"exit {status}")


async def _end(process: asyncio.subprocess.Process) -> None:
    """Kill what is left of the program's session."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    with suppress(TimeoutError):
        async with asyncio.timeout(REAPED_WITHIN_S):
            await process.wait()


def _dying_with_parent() -> Callable[[], None]:
    prctl = ctypes.CDLL(None).prctl

    def ask() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)

    return ask
