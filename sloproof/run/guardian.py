"""The guardian: a small process that undoes what a dead or hung engine left behind.

`python -m sloproof.run.guardian JOURNAL RECORD SOCKET ENGINE`: a heartbeat a half-second goes
each way over the socket. The guardian acts when the engine dies, when nothing came from it for
`SILENCE`, or when a fault has outlived the deadline that the last heartbeat named. It kills the
engine first, awaits its death, takes the journal's lock, and only then undoes. It never undoes
beside a living engine.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import json
import math
import os
import pkgutil
import select
import signal
import socket
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sloproof.effects
from sloproof.effects.incarnation import Incarnation
from sloproof.record.chain import ChainWriter
from sloproof.run.journal import Journal, Stage
from sloproof.run.reversal import Reverted, revert
from sloproof.run.state import tidy

BEAT = 0.5
SILENCE = 3.0
PAUSES = (0, 1, 2, 4, 8, 15, 30, 60)
"""Seconds before each round of undos."""
MCL_CURRENT_AND_FUTURE = 3
STACK = 256 * 1024
"""A thread's stack: all of it is locked in memory, and an undo needs little."""


@dataclass(frozen=True, slots=True)
class Ward:
    """What the guardian watches over: the journal, the record's folder, the engine."""

    journal: Path
    record: Path
    engine: Incarnation


def harden() -> None:
    """Stay in memory, be the last to be killed for it, heed no signal but SIGKILL."""
    threading.stack_size(STACK)
    ctypes.CDLL(None, use_errno=True).mlockall(MCL_CURRENT_AND_FUTURE)
    with contextlib.suppress(OSError):  # only root may; without it the guardian is as mortal
        Path("/proc/self/oom_score_adj").write_text("-1000", encoding="ascii")
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # A handler, for a signal that is ignored stays so in the commands that undo.
        signal.signal(number, lambda *_: None)


def prepare() -> None:
    """Load every kind of effect now: when they are needed the disk may be full or gone."""
    for module in pkgutil.iter_modules(sloproof.effects.__path__):
        importlib.import_module(f"{sloproof.effects.__name__}.{module.name}")


def watch(ward: Ward, line: socket.socket) -> str:
    """Wait until there is something to do; gives why, or "" when the engine dismissed us.

    Silence is counted in rounds of our own, so that the time in which we were stopped ourselves
    isn't held against the engine.
    """
    try:
        pidfd = os.pidfd_open(ward.engine.pid)
    except ProcessLookupError:
        return "the engine died"
    line.setblocking(False)
    silent = 0
    due = 0.0
    while True:
        with contextlib.suppress(OSError):  # a full or broken line shows in what we read from it
            line.send(b".")
        readable, _, _ = select.select([line.fileno(), pidfd], [], [], BEAT)
        said = _last_message(line) if line.fileno() in readable else None
        if said is None and readable == [line.fileno()]:  # it let go of the line: it is dying
            readable, _, _ = select.select([pidfd], [], [], BEAT)
        if said == {"bye": True}:
            return ""
        if said is not None:
            due = float(said.get("due", 0)) / 1e9
        if pidfd in readable or not ward.engine.alive():
            return "the engine died"
        silent = 0 if said is not None else silent + 1
        if silent >= SILENCE / BEAT:
            return f"the engine gave no sign for {SILENCE:g} s"
        if due and time.monotonic() > due:
            return "a fault outlived its time"


def _last_message(line: socket.socket) -> dict[str, Any] | None:
    """The newest whole message; a goodbye outweighs all others."""
    arrived = b""
    with contextlib.suppress(BlockingIOError, ConnectionError):
        while chunk := line.recv(65536):
            arrived += chunk
    messages: list[dict[str, Any]] = [
        json.loads(raw) for raw in arrived.split(b"\n") if raw.endswith(b"}")
    ]
    if {"bye": True} in messages:
        return {"bye": True}
    return messages[-1] if messages else None


class Diary:
    """What the guardian does, in the record; what can't be written there is done all the same."""

    def __init__(self, record: Path, origin: int) -> None:
        self._origin = origin
        self._count = 0
        self._chain: ChainWriter | None = None
        if record.is_dir():
            with contextlib.suppress(OSError):
                self._chain = ChainWriter(record / "guardian.jsonl")

    def note(self, kind: str, **data: object) -> None:
        """Write down one event."""
        if self._chain is None:
            return
        moment = time.monotonic_ns() - self._origin
        with contextlib.suppress(OSError):
            self._chain.append({"n": self._count, "t": moment, "kind": kind, **data})
            self._count += 1


def take_over(ward: Ward, why: str) -> int:
    """Kill the engine, await its death, take the lock, undo; 0 if nothing is left behind."""
    ward.engine.send(signal.SIGKILL)
    while ward.engine.alive():
        time.sleep(0.01)
    try:
        journal = Journal.open(ward.journal, patience=math.inf)
    except FileNotFoundError:
        return 0  # everything is undone: by the engine itself, or by `recover`
    diary = Diary(ward.record, int(journal.view().header.get("origin", 0)))
    diary.note("guardian.acts", reason=why)
    failed = _undo_all(journal, diary)
    diary.note("guardian.done", failed=failed)
    if failed:
        journal.release()
        return 5
    journal.close()
    tidy(ward.journal.parent)
    return 0


def _undo_all(journal: Journal, diary: Diary) -> list[int]:
    """Undo what is open, again and again with growing pauses; gives the numbers of what is left.

    A service that is stalled or restarting answers later; nobody else is there to try.
    """

    def done(result: Reverted) -> None:
        if result.outcome is None:
            diary.note("effect.undo_failed", number=result.number, error=result.error)
            return
        diary.note("effect.undone", number=result.number, outcome=result.outcome, by="guardian")
        journal.mark(result.number, Stage.UNDONE, outcome=result.outcome, by="guardian")

    failed: list[int] = []
    for pause in PAUSES:
        time.sleep(pause)
        failed = [one.number for one in revert(journal.view().open_entries, done=done)]
        if not failed:
            break
    return failed


def main() -> int:
    """The guardian's process, from start to dismissal or to the last undo."""
    journal, record, fd, engine = sys.argv[1:5]
    ward = Ward(Path(journal), Path(record), Incarnation.parse(engine))
    harden()
    line = socket.socket(fileno=int(fd))
    line.sendall(b"!")
    prepare()
    why = watch(ward, line)
    return take_over(ward, why) if why else 0


if __name__ == "__main__":
    sys.exit(main())
