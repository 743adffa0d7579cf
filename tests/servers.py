"""Servers of the tests' own that lose none of whom they have let in."""

from __future__ import annotations

import asyncio


async def closed(server: asyncio.Server) -> None:
    """Close it once whoever was accepted is connected.

    `asyncio.Server.close` alone forgets those that were accepted in the same turn of the loop:
    their sockets stay open until somebody collects garbage, and the test that does so fails.
    """
    loop = asyncio.get_running_loop()
    for listening in server.sockets:
        loop.remove_reader(listening.fileno())
    await asyncio.sleep(0)
    server.close()
