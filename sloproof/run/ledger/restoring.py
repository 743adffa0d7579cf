"""A backup restored to a moment of the run: the target's own command does it, the ledger reads it.

The moment is one of the monotonic clock, as all of a record is; the target is told it as a time of
the wall clock. How far these two drifted apart meanwhile is the moment's error.
"""

from __future__ import annotations

import asyncio
import json
import os
from asyncio.subprocess import DEVNULL
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from signal import Signals
from time import monotonic_ns, time_ns

from sloproof.errors import LedgerError
from sloproof.run.ledger.order import CopyAt, Order, Restore
from sloproof.run.ledger.reading import Look, look_at

NAME = "restored"
"""What the restored copy is called in the record."""
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
        try:
            look = await look_at(order, CopyAt(NAME, await _dsn(restore, until)))
        finally:
            if restore.drop:
                with suppress(LedgerError):
                    await _run(restore, restore.drop, until)
    except LedgerError as failure:
        failed = isinstance(failure, RestoreFailed)
        look = Look(NAME, monotonic_ns(), error=str(failure), failed=failed)
    return replace(look, role="", stable=not look.error, until=moment, error_ns=error)


async def _dsn(restore: Restore, until: str) -> str:
    """Where the copy answers into which the target restored; raises `LedgerError`."""
    ended = await _run(restore, restore.command, until)
    if ended.status is not None and ended.status < 0:
        raise LedgerError(f"ended by {_signal(-ended.status)}")
    dsn = _told(ended.out) if ended.status == 0 else ""
    if not dsn:
        raise RestoreFailed(ended.words(restore))
    return dsn


async def _run(restore: Restore, words: tuple[str, ...], until: str) -> Ended:
    """Run a command of the target to its end; raises `LedgerError` where it can't be started.

    Output goes to memory: what a command leaves running may hold a pipe open.
    """
    argv = [word.replace("{until}", until) for word in words]
    with _memory("out") as out, _memory("complaint") as complaint:
        try:
            process = await asyncio.create_subprocess_exec(
                *argv, cwd=restore.folder, stdin=DEVNULL, stdout=out, stderr=complaint
            )
        except OSError as error:
            raise LedgerError(f"{argv[0]}: {error.strerror}") from error
        status = None
        try:
            async with asyncio.timeout(restore.within_s):
                status = await process.wait()
        except TimeoutError:
            pass
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        return Ended(status, _text(out), _text(complaint))


@contextmanager
def _memory(name: str) -> Iterator[int]:
    file = os.memfd_create(name)
    try:
        yield file
    finally:
        os.close(file)


def _text(file: int) -> str:
    return os.pread(file, os.fstat(file).st_size, 0).decode("utf-8", "replace")


def _signal(number: int) -> str:
    known = number in {each.value for each in Signals}
    return Signals(number).name if known else f"signal {number}"


def _told(text: str) -> str:
    """The `dsn` of the JSON object that was printed last, if any."""
    for line in reversed(text.splitlines()):
        with suppress(ValueError):
            told = json.loads(line)
            if isinstance(told, dict) and "dsn" in told:
                return str(told["dsn"])
    return ""
