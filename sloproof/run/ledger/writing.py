"""Making the writes: each at its time, open loop, bounded in number and in time."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from time import monotonic_ns
from typing import Protocol

from sloproof.record.schema import WriteOutcome
from sloproof.run.ledger.order import Order
from sloproof.run.ledger.rows import RowFile, Write, write_id


@dataclass(frozen=True, slots=True)
class Fate:
    """What a writer was told of one write."""

    outcome: WriteOutcome
    detail: str = ""


ACKNOWLEDGED = Fate(WriteOutcome.ACKNOWLEDGED)


class Writer(Protocol):
    """Sends single writes."""

    async def write(self, sequence: int, name: str) -> Fate:
        """Send one write of this id, and say what became of it. Has its own time-out.

        Raises nothing that the store does.
        """
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...


class Writing:
    """Sends the writes of an order from a moment on until it is told to end."""

    def __init__(self, order: Order, writer: Writer, rows: RowFile) -> None:
        self._order = order
        self._writer = writer
        self._rows = rows
        self._under_way: set[asyncio.Task[None]] = set()
        self._ends: int | None = None
        self._broken: BaseException | None = None
        self.count = 0

    def end(self, at: int) -> None:
        """No write that is due at `at` or later."""
        self._ends = at

    async def run(self, begin: int, pause_s: float = 0.05) -> None:
        """Send what is due until the end, then await what is in flight.

        Raises `OSError` where a row can't be kept: without its row no write is sent.
        """
        try:
            while not self._over(due := self._order.due(self.count, begin)):
                wait = due - monotonic_ns()
                if wait > 0:
                    # In pieces, so that an end that is told meanwhile is heard.
                    await asyncio.sleep(min(wait / 1e9, pause_s))
                    continue
                self._launch(Write(self.count, due))
                self.count += 1
                await asyncio.sleep(0)
        finally:
            if self._under_way:
                await asyncio.wait(self._under_way)
            await self._writer.close()
        self._raise_broken()

    def _over(self, due: int) -> bool:
        return self._ends is not None and due >= self._ends

    def _launch(self, write: Write) -> None:
        self._raise_broken()
        if len(self._under_way) >= self._order.slots:
            self._rows.ended(replace(write, outcome=WriteOutcome.NOT_SENT, detail="no slot"))
            return
        sent = replace(write, sent=monotonic_ns())
        self._rows.sending(sent)
        task = asyncio.get_running_loop().create_task(self._send(sent))
        self._under_way.add(task)
        task.add_done_callback(self._done)

    async def _send(self, write: Write) -> None:
        fate = await self._writer.write(write.sequence, write_id(self._order.run, write.sequence))
        ended = replace(write, finished=monotonic_ns(), outcome=fate.outcome, detail=fate.detail)
        self._rows.ended(ended)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        if not task.cancelled() and (error := task.exception()):
            self._broken = error

    def _raise_broken(self) -> None:
        """A row that was lost, or a defect of the writer: the ledger can't be trusted any more."""
        if self._broken is not None:
            raise self._broken
