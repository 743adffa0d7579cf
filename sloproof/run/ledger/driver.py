"""The engine's end of the ledger: its folder, its commands, what it says, what it left."""

from __future__ import annotations

import shutil
import sys
import time
from array import array
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sloproof.contracts import Effect
from sloproof.effects.incarnation import Incarnation
from sloproof.effects.process import Process
from sloproof.effects.restored_copy import RestoredCopy
from sloproof.errors import LedgerError
from sloproof.model.secrets import NO_SECRETS, Secrets
from sloproof.model.target import Target
from sloproof.record.writer import RecordWriter
from sloproof.run.ledger.order import Order, Restore
from sloproof.run.ledger.reading import Look, read_looks
from sloproof.run.ledger.rows import columns, read_rows, sequence_of
from sloproof.run.mailbox import Inbox, Message, Outbox

NOTICE = 200_000_000
"""How long before its end the ledger is told of it; it looks for messages every 20 ms."""
READING = 120_000_000_000
"""So long may the last writes and the reading of all copies take; the ledger bounds both."""
ALIVE = frozenset({"ready", "writing", "reading"})


class RealLedger:
    """The ledger in its own process. `order` makes its order once the target is known."""

    def __init__(
        self, folder: Path, order: Callable[[Target], Order], secrets: Secrets = NO_SECRETS
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._make = order
        self._secrets = secrets
        self._order: Order | None = None
        self._control = Outbox(folder / "control.jsonl")
        self._status = Inbox(folder / "status.jsonl")
        self._state = "starting"
        self._error = ""
        self._life: Incarnation | None = None
        self._begun: int | None = None
        self._stopped: int | None = None

    def prepare(self, target: Target) -> Sequence[Effect]:
        """Write the order; the process is one effect, what it is to restore another one."""
        self._order = self._make(target)
        self._order.write(self._folder, self._secrets)
        argv = (sys.executable, "-m", "sloproof.run.ledger", str(self._folder))
        log = str(self._folder.parent / "ledger.log")
        process = Process(argv=argv, words="ledger", log=log, folder=".")
        restore = self._order.restore
        if restore is None or not restore.drop:
            return (process,)
        return (_copy(restore), process)

    def state(self) -> str:
        """`starting`, `ready`, `writing`, `reading` or `done`.

        Raises `LedgerError` where it failed; one that was killed has failed.
        """
        alive = self._life is None or self._life.alive()
        for message in self._status.receive():
            self._hear(message)
        if not alive and self._state in ALIVE:
            self._state, self._error = "failed", "its process died"
        if self._state == "failed":
            raise LedgerError(f"the ledger failed: {self._error}")
        return self._state

    def begin(self, at: int) -> Mapping[str, Any]:
        """Let the first write be due; gives what the record's event says of it."""
        order = self._ready()
        self._begun = at
        self._control.send({"do": "begin", "at": at})
        return {
            "ledger": order.name,
            "rate": str(order.rate),
            "slots": order.slots,
            "timeout_ns": order.timeout_ns,
        }

    def stop(self, at: int, *, read: bool) -> None:
        """Let writes end, at a moment that the ledger still has before it; then `read` back."""
        if self._stopped is None:
            self._stopped = max(at, time.monotonic_ns() + NOTICE)
            self._control.send({"do": "stop", "at": self._stopped, "read": read})

    def reading_takes(self) -> int:
        """How long the last writes and the reading of all copies may take, in nanoseconds.

        A restore, and the command that drops it, may take as long as the target says.
        """
        restore = self._ready().restore
        if restore is None:
            return READING
        return READING + round((restore.within_s + restore.drop_within_s) * 1e9)

    def write(self, record: RecordWriter, origin: int) -> Mapping[str, Any]:
        """Write both tables; gives the looks at the copies and what is known of the writing.

        `planned` is reckoned from the rate, not asked of the process: one that lost half of its
        rows must not vouch for itself.
        """
        order = self._ready()
        writes, looks = read_rows(self._folder), read_looks(self._folder)
        if self._begun is not None:
            record.table("writes", columns(writes, order.run, origin))
        if looks:
            record.table("copies", _copies(looks, order.run))
        end = self._stopped or time.monotonic_ns()
        return {
            "planned": order.planned(end - self._begun) if self._begun is not None else 0,
            "rows": len(writes),
            "read": bool(looks),
            "exit": 0 if self._state == "done" else "lost",
            "copies": [_shown(look) for look in looks if not look.until],
            "restored": [
                {
                    **_shown(look),
                    "until": look.until - origin,
                    "error_ns": look.error_ns,
                    "failed": look.failed,
                }
                for look in looks
                if look.until
            ],
        }

    def discard(self) -> None:
        """Remove order, messages, rows and looks; the record has it all."""
        self._control.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _ready(self) -> Order:
        if self._order is None:
            raise LedgerError("the ledger was not prepared")
        return self._order

    def _hear(self, message: Message) -> None:
        self._state = message["is"]
        self._error = message.get("error", "")
        if self._state == "ready":
            self._life = Incarnation.of(message["pid"])


def _shown(look: Look) -> dict[str, Any]:
    return {
        "at": look.at,
        "copy": look.copy,
        "role": look.role,
        "error": look.error,
        "stable": look.stable,
        "rows": len(look.ids),
    }


def _copy(restore: Restore) -> RestoredCopy:
    return RestoredCopy(
        note=restore.note,
        drop=restore.drop,
        folder=restore.folder,
        within_s=restore.drop_within_s,
    )


def _copies(looks: Sequence[Look], run: str) -> dict[str, Sequence[Any]]:
    rows = [(look.copy, name, times) for look in looks for name, times in look.ids.items()]
    return {
        "copy": [copy for copy, _, _ in rows],
        "sequence": array("q", (sequence_of(run, name) for _, name, _ in rows)),
        "id": [name for _, name, _ in rows],
        "times": array("q", (times for _, _, times in rows)),
    }
