"""Looks after the copies: tells the dead and the hung from the slow, and has them restarted."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from digital_human.control import ControlError, ask
from digital_human.copy_config import CopyConfig
from digital_human.events import Events, Kind, Subject
from digital_human.health import CheckResult, HealthChecker
from digital_human.loopback import request
from digital_human.processes import Incarnation
from digital_human.recovery import AutoRecovery, Context, GaveUp, Recovery, RepairFailed
from digital_human.restart_budget import RestartBudget
from digital_human.settings import HealerSettings

DEAD = "copy_dead"
HUNG = "copy_hung"
# A young process that refuses connections is still starting.
START_GRACE_S = 10.0
VERIFY_POLL_S = 0.05
VERIFY_SUCCESSES = 2


class Copies:
    """The copies as the controller reaches them: directly, and through their supervisor."""

    def __init__(self, config: CopyConfig) -> None:
        self._ports = {name: urlsplit(url).port or 0 for name, url in config.links.items()}
        self._folder = Path(config.files["folder"])
        self.settings: HealerSettings = config.settings.healer

    @property
    def names(self) -> list[str]:
        """All copies."""
        return list(self._ports)

    async def probe(self, name: str) -> bool:
        """Whether the copy says that it is well. Raises `OSError` or `TimeoutError`."""
        timeout = self.settings.check_timeout
        return (await request(self._ports[name], "/health", within=timeout)).status == 200

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
        """Have the copy killed, if need be, and started. Raises `ControlError`."""
        return await ask(self._folder, {"command": "restart", "instance": name})


class RestartCopy:
    """The repair for a copy that is dead or hung."""

    def __init__(self, copies: Copies, budget: RestartBudget) -> None:
        self._copies = copies
        self._budget = budget

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
        return True


class Healer:
    """Decides from the results of health checks what to repair, one repair per copy at a time."""

    def __init__(self, copies: Copies, events: Events) -> None:
        self._copies = copies
        self._events = events
        self._settings = copies.settings
        self._recovery = AutoRecovery(events)
        if copies.settings.enabled:
            action = RestartCopy(copies, RestartBudget(copies.settings))
            self._recovery.register_action(DEAD, action)
            self._recovery.register_action(HUNG, action)
        self._misses: defaultdict[str, int] = defaultdict(int)
        self._repairs: dict[str, asyncio.Task[None]] = {}
        self._given_up: set[str] = set()
        self._results: Mapping[str, CheckResult] = {}

    async def run(self) -> None:
        """Check and repair for ever."""
        checker = HealthChecker(self._settings.check_interval, timeout=self._settings.check_timeout)
        for name in self._copies.names:
            checker.add_check(partial(self._copies.probe, name), name)
        await checker.run(self.handle)

    async def handle(self, results: Mapping[str, CheckResult]) -> None:
        """Draw the consequences of one round of checks."""
        self._results = results
        self._repairs = {name: task for name, task in self._repairs.items() if not task.done()}
        for name, result in results.items():
            if name in self._repairs:
                continue
            if result.healthy:
                self._misses[name] = 0
                self._given_up.discard(name)
            elif name not in self._given_up:
                problem = await self._problem(result)
                if problem is not None:
                    self._repairs[name] = asyncio.create_task(self._heal(problem, result))

    def to_json(self) -> dict[str, Any]:
        """What `/state` shows."""
        return {
            "healing": self._settings.enabled,
            "copies": {
                name: {
                    "healthy": result.healthy,
                    "detail": result.detail,
                    "misses": self._misses[name],
                    "repairing": name in self._repairs and not self._repairs[name].done(),
                    "given_up": name in self._given_up,
                }
                for name, result in self._results.items()
            },
        }

    async def _problem(self, result: CheckResult) -> str | None:
        """What is wrong, or `None` while that is not certain yet."""
        if isinstance(result.error, ConnectionError):
            try:
                process = await self._copies.process(result.name)
            except ControlError:
                return None
            starting = process["running"] and process["age_s"] < START_GRACE_S
            return None if starting else DEAD
        self._misses[result.name] += 1
        if self._misses[result.name] >= self._settings.hung_after:
            return HUNG
        if self._misses[result.name] == 1:
            self._events.emit(Kind.SUSPECTED, Subject(HUNG, result.name), result.detail)
        return None

    async def _heal(self, problem: str, result: CheckResult) -> None:
        name = result.name
        times = f", {self._misses[name]} in a row" if problem == HUNG else ""
        context = Context(name, result.detail + times, self._impact(name))
        recovery = await self._recovery.handle_problem(problem, context)
        self._misses[name] = 0
        if recovery in {Recovery.UNKNOWN, Recovery.GAVE_UP}:
            self._given_up.add(name)

    def _impact(self, name: str) -> str:
        service = name.rpartition("-")[0]
        of_service = [r for n, r in self._results.items() if n.rpartition("-")[0] == service]
        left = sum(r.healthy for r in of_service)
        severity = "warning" if left else "critical"
        return f"{severity}: {left} of {len(of_service)} copies of {service} left"
