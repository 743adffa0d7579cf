"""Running a command of the user's to its end, in a session of its own, tied to this process.

What is killed with its session: a command that outlives its time, with all that it started. What
isn't: a process that left the session, such as a service that a restore command starts anew.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from sloproof.contracts.effect import Owner
from sloproof.effects.tagged import OWNER
from sloproof.effects.tether import NOT_STARTED, tied
from sloproof.errors import EffectError

LAST_WORDS = 300


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended: its exit status, what it printed, the end of what it complained of."""

    status: int
    out: str
    complaint: str


def run(
    argv: Sequence[str], *, timeout: float, folder: str = ".", owner: Owner | None = None
) -> Ended:
    """Run `argv` for at most `timeout` seconds; with `owner` it and its children carry the tag.

    Output goes to memory, for what a command leaves running may hold a pipe open, and a disk may
    be full. Raises `EffectError` where it can't be started or doesn't end in time.
    """
    words = " ".join(argv)
    environment = {**os.environ, OWNER: str(owner)} if owner else None
    try:
        with memory("out") as out, memory("complaint") as complaint:
            child = subprocess.Popen(
                [*tied(signal.SIGKILL), *argv],
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=complaint,
                start_new_session=True,
            )
            status = _ended(child, timeout, words)
            said = text(complaint).strip()[-LAST_WORDS:]
            if status == NOT_STARTED:
                raise EffectError(f"can't start: {said or words}")
            return Ended(status, text(out), said)
    except OSError as error:
        raise EffectError(f"can't start {words}: {error}") from error


def _ended(child: subprocess.Popen[bytes], timeout: float, words: str) -> int:
    try:
        return child.wait(timeout)
    except subprocess.TimeoutExpired as error:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        raise EffectError(f"{words}: no end within {timeout:g} s") from error


@contextmanager
def memory(name: str) -> Iterator[int]:
    """A file in memory, for what a command prints."""
    file = os.memfd_create(name)
    try:
        yield file
    finally:
        os.close(file)


def text(file: int) -> str:
    """What was written to it, from its beginning."""
    return os.pread(file, os.fstat(file).st_size, 0).decode("utf-8", "replace")
