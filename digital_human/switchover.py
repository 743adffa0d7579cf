"""Failing back: another copy becomes the primary on command, without losing a write."""

from __future__ import annotations

import asyncio

from digital_human.control import ControlError
from digital_human.custody import Custody
from digital_human.events import Events, Kind, Subject
from digital_human.postgres import failover, positions
from digital_human.postgres.errors import PostgresError
from digital_human.recovery import RepairFailed
from digital_human.store_recovery import POLL_S, rejoin, streams

PROBLEM = "failback"
STREAMING_S = 10.0
CAUGHT_UP_S = 10.0


async def fail_back(custody: Custody, to: str, gap: float, events: Events) -> str:
    """Make `to` the primary, the present one its standby, and say what was done.

    For `gap` seconds between them nobody is.

    The present primary ends in good order first, so that `to` has all that it wrote. Raises
    `RepairFailed`: `to` isn't the primary then, unless it says otherwise.
    """
    subject = Subject(PROBLEM, to)
    present = custody.primary
    if to not in custody.estate.stores:
        raise RepairFailed(f"no store is named {to}; there are {', '.join(custody.estate.stores)}")
    if to == present:
        return f"{to} is the primary already"
    if not await streams(custody, to, STREAMING_S):
        raise RepairFailed(f"{to} does not follow {present}: it has to be rejoined first")
    await custody.await_standbys(present, [])
    events.emit(Kind.REPAIRING, subject, f"{to} takes over from {present}")
    try:
        await custody.shut_down(present)
        await _caught_up(custody, to, await positions.end_of(custody.server(present)))
        events.emit(Kind.CONTAINED, subject, f"{present} ended in good order; {to} has all of it")
        await asyncio.sleep(gap)
        await custody.server(to).promote()
    except (PostgresError, ControlError, OSError, TimeoutError) as error:
        raise RepairFailed(f"{to} did not become the primary: {error}") from error
    for done in (f"promoted {to}", *await custody.crown(to)):
        events.emit(Kind.FIXED, subject, done)
    try:
        await failover.verify(custody.server(to).dsn)
    except PostgresError as error:
        raise RepairFailed(f"{to} is the primary, but {error}") from error
    events.emit(Kind.VERIFIED, subject, f"{to} took a write and gave it back")
    how = await rejoin(custody, present)
    events.emit(Kind.REPAIRED, subject, f"{to} is the primary, {present} follows: {how}")
    return f"{to} is the primary, {present} follows: {how}"


async def _caught_up(custody: Custody, name: str, position: str) -> None:
    """Return once this copy has received all of it. Raises `TimeoutError` or `PostgresError`."""
    async with asyncio.timeout(CAUGHT_UP_S):
        while True:
            if await positions.has_received(custody.server(name).dsn, position):
                return
            await asyncio.sleep(POLL_S)
