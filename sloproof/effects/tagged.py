"""Processes known as ours by a tag in their environment, which all that they start inherits."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from sloproof.contracts.effect import Owner
from sloproof.effects.incarnation import Incarnation
from sloproof.effects.tether import SESSION
from sloproof.errors import EffectError

OWNER = "SLOPROOF_OWNER"
"""The environment variable that names the owner."""
POLL = 0.01


def tagged(owner: Owner | None) -> Iterator[Incarnation]:
    """Every living process with the tag of `owner`."""
    for life, _ in _with_environment(owner):
        yield life


def tagged_in_session(owner: Owner | None) -> Iterator[Incarnation]:
    """Those that are still in the session of the command that was started with the tag.

    What has made a session of its own (a daemon, a restarted service) was meant to stay.
    """
    for life, environment in _with_environment(owner):
        try:
            session = str(os.getsid(life.pid))
        except ProcessLookupError:
            continue
        if f"{SESSION}={session}".encode() in environment:
            yield life


def end(lives: Callable[[], Iterator[Incarnation]], *, within: float) -> None:
    """Kill all that `lives` finds until it finds nothing; raises `EffectError` after `within` s."""
    deadline = time.monotonic() + within
    while found := list(lives()):
        if time.monotonic() > deadline:
            pids = ", ".join(str(life.pid) for life in found)
            raise EffectError(f"process {pids} still lives after SIGKILL")
        for life in found:
            life.send(signal.SIGKILL)
        time.sleep(POLL)


def _with_environment(owner: Owner | None) -> Iterator[tuple[Incarnation, list[bytes]]]:
    tag = f"{OWNER}={owner}".encode()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            environment = (folder / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if tag in environment:
            life = Incarnation.of(int(folder.name))
            if life is not None:
                yield life, environment
