"""What the controller does about a lost store: another becomes the primary, that one follows."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import ClassVar, TypeVar

from digital_human.control import ControlError
from digital_human.custody import Custody
from digital_human.database import slot_of
from digital_human.events import Kind
from digital_human.ports import LOOPBACK
from digital_human.postgres import failover
from digital_human.postgres.errors import PostgresError
from digital_human.postgres.replication import lag
from digital_human.recovery import Context, GaveUp, RepairFailed
from digital_human.restart_budget import RestartBudget
from digital_human.settings import Settings

PRIMARY_LOST = "primary_lost"
STANDBY_LOST = "standby_lost"
POLL_S = 0.05
T = TypeVar("T")
Tell = Callable[[Context, str], None]
"""Records a step that was taken."""


class FailOver:
    """The repair for a lost primary: fence it, promote a standby, repoint, shift, verify."""

    deed: ClassVar[Kind] = Kind.FIXED

    def __init__(self, custody: Custody, settings: Settings, tell: Tell) -> None:
        self._custody = custody
        self._settings = settings
        self._tell = tell

    async def locate(self, context: Context) -> str:
        """What the supervisor knows about the primary's process."""
        return await self._custody.ending(context.instance)

    async def contain(self, context: Context) -> str | None:
        """The old primary is dead and can't come back as one. Raises `RepairFailed` if in doubt."""
        if not self._settings.fencing.enabled:
            return None
        name = context.instance
        await _tried(self._custody.halt(name))
        await _tried(failover.fence(self._custody.server(name), "another is the primary"))
        return f"{name} is ended and fenced"

    async def repair(self, context: Context) -> str | None:
        """Promote the first standby that answers; everybody is told, and traffic follows."""
        name = await self._standby(context.instance)
        await asyncio.sleep(self._settings.fencing.gap)
        await _tried(failover.promote(self._custody.server(name)))
        self._tell(context, f"promoted {name}")
        for done in await self._custody.crown(name):
            self._tell(context, done)
        return f"{name} is the primary"

    async def verify(self, context: Context) -> bool:
        """Whether a write and its reading work on the new primary, in time."""
        try:
            async with asyncio.timeout(self._settings.failover.verify_timeout):
                await failover.verify(self._custody.server(self._custody.primary).dsn)
        except (PostgresError, TimeoutError):
            return False
        return True

    async def _standby(self, lost: str) -> str:
        for name in self._custody.others(lost):
            if await self._custody.server(name).ready():
                return name
        raise RepairFailed("no standby answers that could become the primary")


class Rejoin:
    """The repair for a copy that is not the primary and lost: rewound or rebuilt, it follows."""

    deed: ClassVar[Kind] = Kind.RESTARTED

    def __init__(self, custody: Custody, budget: RestartBudget, settings: Settings) -> None:
        self._custody = custody
        self._budget = budget
        self._settings = settings

    async def locate(self, context: Context) -> str:
        """What the supervisor knows about its process."""
        return await self._custody.ending(context.instance)

    async def contain(self, context: Context) -> str | None:
        """Nothing: dialogue reads from the primary where no standby answers."""
        return None

    async def repair(self, context: Context) -> str | None:
        """Make it follow the primary over its own link, and start it."""
        delay = self._budget.spend(context.instance)
        if delay is None:
            raise GaveUp("its restarts are used up")
        await asyncio.sleep(delay)
        ending = await self._custody.ending(context.instance)
        if not self._settings.fencing.enabled and ending.startswith("running"):
            raise RepairFailed("it still runs, and nobody may end it: fencing is off")
        return await rejoin(self._custody, context.instance)

    async def verify(self, context: Context) -> bool:
        """Whether the primary streams to it."""
        within = self._settings.failover.verify_timeout
        return await streams(self._custody, context.instance, within)


async def rejoin(custody: Custody, name: str) -> str:
    """Let a copy follow the primary, rewound or rebuilt; says how. Raises `RepairFailed`.

    Its process is ended first, and started last.
    """
    primary = custody.primary
    way = custody.estate.stores[name].reaches[primary]
    await _tried(custody.halt(name))
    upstream = failover.Upstream(LOOPBACK, way, slot_of(name))
    step = await _tried(failover.rejoin(custody.server(name), upstream))
    started = await _tried(custody.start(name))
    await _tried(custody.await_standbys(primary, custody.others(primary)))
    return f"{step.detail}; {started}"


async def streams(custody: Custody, name: str, within: float) -> bool:
    """Whether the primary streams to this copy within so many seconds; not if it died meanwhile."""
    try:
        async with asyncio.timeout(within):
            while True:
                found = await lag(custody.server(custody.primary).dsn)
                if any(each.standby == name and each.state == "streaming" for each in found):
                    return True
                if not await custody.runs(name):
                    return False
                await asyncio.sleep(POLL_S)
    except (PostgresError, TimeoutError):
        return False


async def _tried(step: Awaitable[T]) -> T:
    """A step of a repair; what goes wrong in it is a repair that failed."""
    try:
        return await step
    except (PostgresError, ControlError, OSError, TimeoutError) as error:
        raise RepairFailed(str(error) or type(error).__name__) from error
