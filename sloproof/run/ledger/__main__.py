"""The ledger's process: `python -m sloproof.run.ledger FOLDER`.

The folder holds `spec.json`, `control.jsonl` and, from this process, `status.jsonl`, `writes.bin`
and `copies.json` (see `docs/architecture.md`). It ends when the copies have been read back, when it
is told to stop without, by SIGTERM, when its parent is gone or its folder vanishes. SIGINT is the
engine's to answer.
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
from pathlib import Path
from time import monotonic_ns, time_ns

from sloproof.errors import LedgerError
from sloproof.run.ledger.order import Order
from sloproof.run.ledger.reading import Look, read_back, write_looks
from sloproof.run.ledger.restoring import restored
from sloproof.run.ledger.rows import RowFile
from sloproof.run.ledger.writing import Writer, Writing
from sloproof.run.mailbox import Inbox, Message, Outbox
from sloproof.run.precedence import take_precedence
from sloproof.run.sql import psycopg

POLL_S = 0.02


class LedgerChild:
    """Writes and reads what the folder's spec and commands say."""

    def __init__(self, folder: Path, status: Outbox) -> None:
        self._folder = folder
        self._status = status
        self._inbox = Inbox(folder / "control.jsonl")
        self._parent = os.getppid()
        self._order, secrets = Order.read_from(folder)
        status.hide(secrets)
        psycopg()  # every copy is read back by SQL; better to fail now than then
        self._rows = RowFile(folder)
        self._writing = Writing(self._order, _writer(self._order), self._rows)
        self._running: asyncio.Task[None] | None = None
        self._reads: bool | None = None
        self._dropped = False
        self._begun: tuple[int, int] | None = None

    async def run(self) -> bool:
        """Write from `begin` to `stop`, then read back where that is asked for.

        Gives whether that came to its end; if so, SIGTERM ends the process from then on.
        """
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._drop)
        gc.freeze()
        self._status.send({"is": "ready", "pid": os.getpid(), "scheduling": take_precedence()})
        while self._reads is None or self._writes():
            for message in self._inbox.receive():
                self._do(message)
            if os.getppid() != self._parent or not self._folder.exists():
                return False
            if self._running is not None and self._running.done():
                self._running.result()
            await asyncio.sleep(POLL_S)
        if self._running is not None:
            await self._running
        self._rows.close()
        if self._reads:
            self._status.send({"is": "reading"})
            write_looks(self._folder, [*await read_back(self._order), *await self._restored()])
        loop.remove_signal_handler(signal.SIGTERM)
        self._status.send({"is": "done", "writes": self._writing.count})
        return not self._dropped

    async def _restored(self) -> list[Look]:
        """What a backup of a moment of the run has, where that is asked for."""
        restore = self._order.restore
        if restore is None or self._begun is None:
            return []
        begun, drift = self._begun
        return [await restored(self._order, restore, begun, drift)]

    def _writes(self) -> bool:
        return self._running is not None and not self._running.done()

    def _do(self, message: Message) -> None:
        match message["do"]:
            case "begin":
                loop = asyncio.get_running_loop()
                self._running = loop.create_task(self._writing.run(message["at"]))
                self._begun = message["at"], time_ns() - monotonic_ns()
                self._status.send({"is": "writing"})
            case "stop":
                self._writing.end(message["at"])
                self._reads = bool(message["read"])
            case other:
                raise LedgerError(f"{self._folder}/control.jsonl: no such command: {other}")

    def _drop(self) -> None:
        self._writing.end(0)
        self._reads, self._dropped = False, True


def _writer(order: Order) -> Writer:
    if order.http is not None:
        from sloproof.run.ledger.http_writer import HttpWriter

        return HttpWriter(order, order.http)
    if order.sql is not None:
        from sloproof.run.ledger.sql_writer import SqlWriter

        return SqlWriter(order, order.sql)
    raise LedgerError(f"ledger {order.name}: writes neither by http nor by sql")


def main(arguments: list[str]) -> int:
    """Run the ledger of a folder; the exit status is 0, or 4 where it failed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    folder = Path(arguments[0])
    status = Outbox(folder / "status.jsonl")

    async def work() -> None:
        if await LedgerChild(folder, status).run():
            # The engine ends this process: one that ended by itself would look as if it had died.
            await asyncio.Event().wait()

    try:
        asyncio.run(work())
    except Exception as error:  # noqa: BLE001 - the process's edge: the engine must be told
        status.send({"is": "failed", "error": str(error) or repr(error)})
        return LedgerError.exit_status
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
