"""A backup restored to a moment of the run: the target's own command does it, the ledger reads it.

The moment is one of the monotonic clock, as all of a record is; the target is told it as a time of
the wall clock. How far these two drifted apart meanwhile is the moment's error.
"""

from __future__ import annotations

import asyncio
import json
import os
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from signal import SIGKILL, Signals
from time import monotonic_ns, time_ns

from sloproof.effects.restored_copy import UNTIL, Note
from sloproof.effects.running import memory, text
from sloproof.effects.tagged import OWNER
from sloproof.effects.tether import NOT_STARTED, tied
from sloproof.errors import LedgerError
from sloproof.run.ledger.order import CopyAt, Order, Restore
from sloproof.run.ledger.reading import Look, look_at

NAME = "restored"
"""What the restored copy is called in the record."""
UNSTARTED = " (not started)"
"""Tells who could not be started from whoever ended with the same exit status."""
RESOLUTION_NS = 1_000_000
"""A commit's time is told in microseconds, and taken a little before it is acknowledged."""


class RestoreFailed(LedgerError):
    """The target's own command was run, for as long as it may take, and restored nothing."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended, and what it printed and complained of."""

    status: int | None
    """Its exit status; below 0 the signal that ended it, None where it did not end in time."""
    out: str
    complaint: str

    def words(self, restore: Restore) -> str:
        """How it failed, with the last that it complained of."""
        how = f"exit status {self.status}"
        if self.status is None:
            how = f"no end within {restore.within_s:g} s"
        elif not self.status:
            how += ", but no dsn was printed"
        last = self.complaint.strip().splitlines()[-1:]
        return ": ".join([how, *last])


async def restored(order: Order, restore: Restore, begun: int, drift_ns: int) -> Look:
    """What a copy that was restored to the chosen moment has.

    `begun` is when the first write was due, `drift_ns` what the wall clock minus the monotonic one
    was then.
    """
    moment = begun + restore.at_ns
    drift = time_ns() - monotonic_ns()
    error = abs(drift - drift_ns) + RESOLUTION_NS
    until = datetime.fromtimestamp((moment + drift) / 1e9, UTC).isoformat()
    try:
        async with _scratch(restore, until) as commands:
            look = await look_at(order, CopyAt(NAME, await commands.restore()))
    except LedgerError as failure:
        failed = isinstance(failure, RestoreFailed)
        look = Look(NAME, monotonic_ns(), error=str(failure), failed=failed)
    return replace(look, role="", stable=not look.error, until=moment, error_ns=error)


@asynccontextmanager
async def _scratch(restore: Restore, until: str) -> AsyncIterator[_Commands]:
    """What is restored within is dropped at the end, where the target has a command for that.

    What can't be dropped stays noted, for the end of the run. Raises `LedgerError` where nothing
    may be restored any more.
    """
    if not restore.drop:
        yield _Commands(restore, until)
        return
    note = Note(Path(restore.note))
    tag = note.begin(until)
    if tag is None:
        raise LedgerError("the run came to its end before anything was restored")
    commands = _Commands(restore, until, tag)
    try:
        yield commands
    finally:
        with suppress(LedgerError):
            if await commands.drop():
                note.dropped()


@dataclass(frozen=True, slots=True)
class _Commands:
    """The target's own, for one moment; with a `tag` they carry it."""

    spec: Restore
    until: str
    tag: str = ""

    async def restore(self) -> str:
        """Where the copy answers into which the target restored; raises `LedgerError`."""
        ended = await self._run(self.spec.command, self.spec.within_s)
        if ended.status is not None and ended.status < 0:
            raise LedgerError(f"ended by {_signal(-ended.status)}")
        dsn = _told(ended.out) if ended.status == 0 else ""
        if not dsn:
            raise RestoreFailed(ended.words(self.spec))
        return dsn

    async def drop(self) -> bool:
        """Whether the copy is gone; raises `LedgerError`."""
        ended = await self._run(self.spec.drop, self.spec.drop_within_s)
        return ended.status == 0

    async def _run(self, words: tuple[str, ...], within_s: float) -> Ended:
        """Run a command to its end; raises `LedgerError` where it can't be started.

        It is tied to this process, so that nothing is restored once that is dead. Output goes to
        memory: what a command leaves running may hold a pipe open.
        """
        argv = [word.replace(UNTIL, self.until) for word in words]
        with memory("out") as out, memory("complaint") as complaint:
            try:
                process = await asyncio.create_subprocess_exec(
                    *tied(SIGKILL, UNSTARTED),
                    *argv,
                    cwd=self.spec.folder,
                    env={**os.environ, OWNER: self.tag} if self.tag else None,
                    stdin=DEVNULL,
                    stdout=out,
                    stderr=complaint,
                    start_new_session=True,
                )
            except OSError as error:
                raise LedgerError(f"{argv[0]}: {error.strerror}") from error
            status = await _ended(process, within_s)
            said = text(complaint)
            if status == NOT_STARTED and said.rstrip().endswith(UNSTARTED):
                raise LedgerError(said.rstrip().removesuffix(UNSTARTED))
            return Ended(status, text(out), said)


async def _ended(process: Process, within_s: float) -> int | None:
    """Its exit status; None where it had to be killed, with its session."""
    try:
        async with asyncio.timeout(within_s):
            return await process.wait()
    except TimeoutError:
        return None
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):  # it ended just now
                os.killpg(process.pid, SIGKILL)
            await process.wait()


def _signal(number: int) -> str:
    known = number in {each.value for each in Signals}
    return Signals(number).name if known else f"signal {number}"


def _told(out: str) -> str:
    """The `dsn` of the JSON object that was printed last, if any."""
    for line in reversed(out.splitlines()):
        with suppress(ValueError):
            told = json.loads(line)
            if isinstance(told, dict) and "dsn" in told:
                return str(told["dsn"])
    return ""
