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
import json
import os
import select
import signal
import socket
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sloproof.effects.incarnation import Incarnation
from sloproof.record.chain import ChainWriter
from sloproof.run.journal import Journal, Stage
from sloproof.run.reversal import Reverted, revert

BEAT = 0.5
SILENCE = 3.0
MCL_CURRENT_AND_FUTURE = 3


@dataclass(frozen=True, slots=True)
class Ward:
    """What the guardian watches over: the journal, the record's folder, the engine."""

    journal: Path
    record: Path
    engine: Incarnation


def harden() -> None:
    """Stay in memory, be the last to be killed for it, heed no signal but SIGKILL."""
    ctypes.CDLL(None, use_errno=True).mlockall(MCL_CURRENT_AND_FUTURE)
    with contextlib.suppress(OSError):  # only root may; without it the guardian is as mortal
        Path("/proc/self/oom_score_adj").write_text("-1000", encoding="ascii")
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


def watch(ward: Ward, line: socket.socket) -> str:
    """Wait until there is something to do; gives why, or "" when the engine dismissed us."""
    try:
        pidfd = os.pidfd_open(ward.engine.pid)
    except ProcessLookupError:
        return "the engine died"
    line.setblocking(False)
    heard = time.monotonic()
    due = 0.0
    while True:
        with contextlib.suppress(OSError):  # a full or broken line shows in what we read from it
            line.send(b".")
        readable, _, _ = select.select([line.fileno(), pidfd], [], [], BEAT)
        if line.fileno() in readable:
            said = _last_message(line)
            if said == {"bye": True}:
                return ""
            if said is not None:
                heard = time.monotonic()
                due = float(said.get("due", 0)) / 1e9
        if pidfd in readable or not ward.engine.alive():
            return "the engine died"
        now = time.monotonic()
        if now - heard > SILENCE:
            return f"the engine gave no sign for {SILENCE:g} s"
        if due and now > due:
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


def take_over(ward: Ward, why: str) -> int:
    """Kill the engine, await its death, take the lock, undo; 0 if nothing is left behind."""
    ward.engine.send(signal.SIGKILL)
    while ward.engine.alive():
        time.sleep(0.01)
    if not ward.journal.exists():
        return 0
    journal = Journal.open(ward.journal, wait=True)
    origin = int(journal.view().header.get("origin", 0))
    writer = ChainWriter(ward.record / "guardian.jsonl") if ward.record.is_dir() else None
    count = 0

    def note(kind: str, **data: object) -> None:
        nonlocal count
        if writer is not None:
            writer.append({"n": count, "t": time.monotonic_ns() - origin, "kind": kind, **data})
        count += 1

    def done(result: Reverted) -> None:
        if result.outcome is None:
            note("effect.undo_failed", number=result.number, error=result.error)
            return
        journal.mark(result.number, Stage.UNDONE, outcome=result.outcome, by="guardian")
        note("effect.undone", number=result.number, outcome=result.outcome, by="guardian")

    note("guardian.acts", reason=why)
    failed = revert(journal.view().open_entries, done=done)
    note("guardian.done", failed=[result.number for result in failed])
    if failed:
        journal.release()
        return 5
    journal.close()
    return 0


def main() -> int:
    """The guardian's process, from start to dismissal or to the last undo."""
    journal, record, fd, engine = sys.argv[1:5]
    ward = Ward(Path(journal), Path(record), Incarnation.parse(engine))
    harden()
    line = socket.socket(fileno=int(fd))
    line.sendall(b"!")
    why = watch(ward, line)
    return take_over(ward, why) if why else 0


if __name__ == "__main__":
    sys.exit(main())
