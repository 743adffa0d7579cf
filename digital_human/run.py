"""A supervisor's life, from the first process to the removal of the last."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from digital_human.processes import incarnation, sweep
from digital_human.settings import Settings
from digital_human.state_file import StateFile
from digital_human.supervisor import Supervisor


async def run(
    state: StateFile, settings: Settings, data: Path, ready: Callable[[dict[str, Any]], None]
) -> None:
    """Start the system, publish its state, call `ready`, and stop it on SIGTERM, SIGINT or SIGHUP.

    `data` is where its stores keep what they have. `state` must have been acquired. Raises
    `StartFailed` or `NoFreePort`; nothing runs then.
    """
    sweep(state.folder)
    asked_to_stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, asked_to_stop.set)
    supervisor = Supervisor(state.folder, settings, data)
    stopping = asyncio.create_task(asked_to_stop.wait())
    starting = asyncio.create_task(supervisor.start())
    try:
        await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            starting.result()
            me = incarnation(os.getpid())
            who = {"pid": os.getpid(), "start_time": me.start_time if me else 0}
            content = {**who, **supervisor.state()}
            state.write(content)
            ready(content)
            await stopping
    finally:
        starting.cancel()
        await asyncio.wait({starting})
        await supervisor.stop()
