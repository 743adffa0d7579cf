"""A backup restored to a moment of the run: the target's own command does it, the ledger reads it.

The moment is one of the monotonic clock, as all of a record is; the target is told it as a time of
the wall clock. How far these two drifted apart meanwhile is the moment's error.
"""

from __future__ import annotations

import asyncio
import json
from asyncio.subprocess import DEVNULL, PIPE
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from time import monotonic_ns, time_ns

from sloproof.errors import LedgerError
from sloproof.run.ledger.order import CopyAt, Order, Restore
from sloproof.run.ledger.reading import Look, look_at

NAME = "restored"
"""What the restored copy is called in the record."""
RESOLUTION_NS = 1_000_000
"""A commit's time is told in microseconds, and taken a little before it is acknowledged."""


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
            dsn = await _run(restore, restore.command, until)
            look = await look_at(order, CopyAt(NAME, dsn))
        finally:
            if restore.drop:
                with suppress(LedgerError):
                    await _run(restore, restore.drop, until)
    except LedgerError as failure:
        look = Look(NAME, monotonic_ns(), error=str(failure))
    return replace(look, role="", stable=not look.error, until=moment, error_ns=error)


async def _run(restore: Restore, words: tuple[str, ...], until: str) -> str:
    """Run a command of the target; the `dsn` of the JSON object that it prints last, if any.

    Raises `LedgerError` where it fails or takes too long.
    """
    argv = [word.replace("{until}", until) for word in words]
    try:
        process = await asyncio.create_subprocess_exec(
            *argv, cwd=restore.folder, stdin=DEVNULL, stdout=PIPE, stderr=PIPE
        )
    except OSError as error:
        raise LedgerError(f"{argv[0]}: {error.strerror}") from error
    try:
        async with asyncio.timeout(restore.within_s):
            out, complaint = await process.communicate()
    except TimeoutError:
        raise LedgerError(f"{argv[0]} did not end within {restore.within_s:g} s") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        told = complaint.decode(errors="replace").strip().splitlines()
        raise LedgerError(f"exit status {process.returncode}: {told[-1] if told else argv[0]}")
    return _dsn(out.decode(errors="replace"))


def _dsn(text: str) -> str:
    for line in reversed(text.splitlines()):
        with suppress(ValueError):
            told = json.loads(line)
            if isinstance(told, dict) and "dsn" in told:
                return str(told["dsn"])
    return ""
