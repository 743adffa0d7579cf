"""The copies as the controller reaches them, and the repair for one that is dead or hung."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

from digital_human.control import ControlError, ask
from digital_human.copy_config import CopyConfig
from digital_human.events import Kind
from digital_human.probing import well
from digital_human.processes import Incarnation
from digital_human.recovery import Context, GaveUp, RepairFailed
from digital_human.restart_budget import RestartBudget
from digital_human.settings import HealerSettings

VERIFY_POLL_S = 0.05
START_S = 2.0
"""After so long the next one starts, whether or not this one answers."""
VERIFY_SUCCESSES = 2


class Copies:
    """The copies as the controller reaches them: directly, and through their supervisor."""

    def __init__(self, config: CopyConfig) -> None:
        self._addresses = dict(config.links)
        self._folder = Path(config.files["folder"])
        self._starting = asyncio.Lock()
        self.settings: HealerSettings = config.settings.healer

    @property
    def names(self) -> list[str]:
        """All copies."""
        return list(self._addresses)

    def address(self, name: str) -> str:
        """Where the controller asks that copy."""
        return self._addresses[name]

    async def probe(self, name: str) -> bool:
        """Whether the copy says that it is well. Raises `OSError` or `TimeoutError`."""
        return await well(self._addresses[name], self.settings.check_timeout)

    async def well(self, name: str) -> bool:
        """Whether the copy answers at all, and says that it is well."""
        try:
            return await self.probe(name)
        except (OSError, TimeoutError, ValueError):
            return False

    async def process(self, name: str) -> dict[str, Any]:
        """What the supervisor knows of the copy's process. Raises `ControlError`."""
        answer = await ask(self._folder, {"command": "list"}, within=2.0)
        return dict(answer["processes"][name])

    async def restart(self, name: str) -> dict[str, Any]:
        """Have the copy killed, if need be, and started. Raises `ControlError`.

        One starts after the other: a start takes a processor, and whoever still serves needs some.
        """
        async with self._starting:
            told = await ask(self._folder, {"command": "restart", "instance": name})
            with suppress(TimeoutError, ControlError):
                await asyncio.wait_for(self._started(name), START_S)
        return told

    async def _started(self, name: str) -> None:
        """Return once it answers, or has died. Raises `ControlError`."""
        while True:
            if await self.well(name) or not (await self.process(name))["running"]:
                return
            await asyncio.sleep(VERIFY_POLL_S)


class RestartCopy:
    """The repair for a copy that is dead or hung.

    `afterwards` is done once it is well again, before the repair counts as verified.
    """

    deed: ClassVar[Kind] = Kind.RESTARTED

    def __init__(
        self,
        copies: Copies,
        budget: RestartBudget,
        afterwards: Callable[[str], Awaitable[None]] | None = None,
    ) -> None:
        self._copies = copies
        self._budget = budget
        self._afterwards = afterwards

    async def locate(self, context: Context) -> str:
        """What the supervisor and the kernel know about the process."""
        try:
            process = await self._copies.process(context.instance)
        except ControlError as error:
            return f"unknown: {error}"
        if not process["running"]:
            return str(process["ending"])
        state = Incarnation(process["pid"], process["start_time"]).state
        if state in {"T", "t"}:
            return "stopped by a signal"
        return f"running, but not answering (process state {state or 'gone'})"

    async def contain(self, context: Context) -> str | None:
        """Nothing: the gateway and the breakers keep traffic away from it by themselves."""
        return None

    async def repair(self, context: Context) -> str | None:
        """Restart the copy on its port, after a wait if it was restarted lately."""
        delay = self._budget.spend(context.instance)
        if delay is None:
            settings = self._copies.settings
            limit = f"{settings.max_restarts} in {settings.restart_window:g} s"
            raise GaveUp(f"its restarts are used up: {limit}")
        await asyncio.sleep(delay)
        if delay and await self._copies.well(context.instance):
            return None
        try:
            process = await self._copies.restart(context.instance)
        except ControlError as error:
            raise RepairFailed(str(error)) from error
        return f"restarted as process {process['pid']}"

    async def verify(self, context: Context) -> bool:
        """Whether the copy is well several times in a row; not if it dies or the time is up."""
        successes = 0
        try:
            async with asyncio.timeout(self._copies.settings.verify_timeout):
                while successes < VERIFY_SUCCESSES:
                    well = await self._copies.well(context.instance)
                    successes = successes + 1 if well else 0
                    if not well and not (await self._copies.process(context.instance))["running"]:
                        return False
                    await asyncio.sleep(VERIFY_POLL_S)
        except (TimeoutError, ControlError):
            return False
        if self._afterwards is not None:
            await self._afterwards(context.instance)
        return True
