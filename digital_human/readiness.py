"""Waiting for a process to answer, without waiting for one that has died."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from digital_human.child import Child
from digital_human.loopback import request
from digital_human.probing import well

POLL_S = 0.02


class StartFailed(Exception):
    """The system could not be started; the message says which part and what it said."""


async def until(condition: Callable[[], Awaitable[bool]], child: Child) -> None:
    """Return once `condition` holds. Raises `StartFailed` if `child` ends before."""
    while not await condition():
        if not child.running:
            raise StartFailed(f"{child.name} {child.ending()} while starting: {child.tail()}")
        await asyncio.sleep(POLL_S)


async def answers(address: str, within: float = 2.0) -> bool:
    """Whether the copy at this address says that it is well."""
    try:
        return await well(address, within)
    except (OSError, TimeoutError, ValueError):
        return False


async def healthy(port: int, path: str = "/health") -> bool:
    """Whether the server on that port answers with 200."""
    try:
        return (await request(port, path)).status == 200
    except (OSError, TimeoutError, ValueError):
        return False
