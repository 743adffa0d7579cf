"""Looks after the copies: tells the dead and the hung from the slow, and has them repaired."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping
from functools import partial
from typing import Any

from digital_human.control import ControlError
from digital_human.copies import Copies, RestartCopy
from digital_human.custody import Custody
from digital_human.events import Events, Kind, Subject
from digital_human.health import CheckResult, HealthChecker
from digital_human.recovery import AutoRecovery, Context, Recovery, RepairFailed
from digital_human.restart_budget import RestartBudget
from digital_human.settings import Settings
from digital_human.store_recovery import PRIMARY_LOST, STANDBY_LOST, FailOver, Rejoin
from digital_human.store_watch import StoreWatch
from digital_human.switchover import fail_back
from digital_human.topology import CACHE

DEAD = "copy_dead"
HUNG = "copy_hung"
CACHE_LOST = "cache_lost"
# A young process that refuses connections is still starting.
START_GRACE_S = 10.0


class Healer:
    """Decides from the results of health checks what to repair, one repair per copy at a time."""

    def __init__(
        self,
        copies: Copies,
        events: Events,
        settings: Settings,
        custody: Custody | None = None,
        watch: StoreWatch | None = None,
    ) -> None:
        self._watch = watch
        self._copies = copies
        self._events = events
        self._settings = settings
        self._custody = custody
        self._recovery = AutoRecovery(events)
        if settings.healer.enabled:
            self._register()
        self._misses: defaultdict[str, int] = defaultdict(int)
        self._repairs: dict[str, asyncio.Task[None]] = {}
        self._given_up: set[str] = set()
        self._results: Mapping[str, CheckResult] = {}

    async def run(self) -> None:
        """Check and repair for ever."""
        times = self._settings.healer
        checker = HealthChecker(times.check_interval, timeout=times.check_timeout)
        for name in self._copies.names:
            check = self._check_store if self._is_store(name) else self._copies.probe
            checker.add_check(partial(check, name), name)
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
            "healing": self._settings.healer.enabled,
            **({"primary": self._custody.primary} if self._custody is not None else {}),
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

    async def fail_back(self, to: str) -> str:
        """Make another store the primary, unless one is being repaired. Raises `RepairFailed`."""
        if self._custody is None:
            raise RepairFailed("the platform stands in one place and has no store")
        stores = list(self._custody.estate.stores)
        if any(name in self._repairs and not self._repairs[name].done() for name in stores):
            raise RepairFailed("a store is being repaired: try again when it is")
        work = asyncio.ensure_future(
            fail_back(self._custody, to, self._settings.fencing.gap, self._events)
        )
        done = asyncio.ensure_future(_ended(work))
        self._repairs |= dict.fromkeys(stores, done)
        try:
            return await work
        finally:
            self._misses |= dict.fromkeys(stores, 0)

    def _register(self) -> None:
        budget = RestartBudget(self._settings.healer)
        self._recovery.register_action(DEAD, RestartCopy(self._copies, budget))
        self._recovery.register_action(HUNG, RestartCopy(self._copies, budget))
        custody = self._custody
        if custody is None:
            return
        cache = RestartCopy(self._copies, budget, self._warm)
        self._recovery.register_action(CACHE_LOST, cache)
        self._recovery.register_action(STANDBY_LOST, Rejoin(custody, budget, self._settings))
        if self._settings.failover.enabled:
            action = FailOver(custody, self._settings, self._fixed)
            self._recovery.register_action(PRIMARY_LOST, action)

    def _fixed(self, context: Context, done: str) -> None:
        self._events.emit(Kind.FIXED, Subject(PRIMARY_LOST, context.instance), done)

    async def _warm(self, name: str) -> None:
        """Fill a cache that came back empty."""
        if self._custody is not None:
            count = await self._custody.warm(name.split("-")[1], self._settings.cache.warm)
            self._events.emit(Kind.FIXED, Subject(CACHE_LOST, name), f"warmed {count} entries")

    def _is_store(self, name: str) -> bool:
        return self._custody is not None and name in self._custody.estate.stores

    async def _check_store(self, name: str) -> bool:
        """Well is a store that answers and is what it should be, primary or standby."""
        return self._watch is not None and await self._watch.check(name, self._copies.address(name))

    async def _problem(self, result: CheckResult) -> str | None:
        """What is wrong, or `None` while that is not certain yet."""
        if self._is_store(result.name):
            return self._problem_of_store(result)
        if isinstance(result.error, ConnectionError):
            try:
                process = await self._copies.process(result.name)
            except ControlError:
                return None
            starting = process["running"] and process["age_s"] < START_GRACE_S
            return None if starting else (CACHE_LOST if _is_cache(result.name) else DEAD)
        self._misses[result.name] += 1
        if self._misses[result.name] >= self._settings.healer.hung_after:
            return CACHE_LOST if _is_cache(result.name) else HUNG
        if self._misses[result.name] == 1:
            self._events.emit(Kind.SUSPECTED, Subject(HUNG, result.name), result.detail)
        return None

    def _problem_of_store(self, result: CheckResult) -> str | None:
        """Lost is what failed several checks in a row: one may be the network's mood."""
        name = result.name
        self._misses[name] += 1
        primary = self._custody is not None and self._custody.primary == name
        problem = PRIMARY_LOST if primary else STANDBY_LOST
        if self._misses[name] >= self._settings.failover.threshold:
            return problem
        if self._misses[name] == 1:
            self._events.emit(Kind.SUSPECTED, Subject(problem, name), result.detail)
        return None

    async def _heal(self, problem: str, result: CheckResult) -> None:
        name = result.name
        times = f", {self._misses[name]} in a row" if problem == HUNG else ""
        context = Context(name, result.detail + times, self._impact(name))
        recovery = await self._recovery.handle_problem(problem, context)
        self._misses[name] = 0
        if problem == PRIMARY_LOST and recovery is Recovery.REPAIRED:
            # Known to be lost: unless it is well by the next check, it has to rejoin.
            self._misses[name] = self._settings.failover.threshold - 1
        if recovery in {Recovery.UNKNOWN, Recovery.GAVE_UP}:
            self._given_up.add(name)

    def _impact(self, name: str) -> str:
        service = name.split("-", maxsplit=1)[0]
        of_service = [r for n, r in self._results.items() if n.split("-")[0] == service]
        left = sum(r.healthy for r in of_service)
        severity = "warning" if left else "critical"
        return f"{severity}: {left} of {len(of_service)} copies of {service} left"


def _is_cache(name: str) -> bool:
    return name.startswith(f"{CACHE}-")


async def _ended(work: asyncio.Future[str]) -> None:
    """Done when `work` is, however that ends: whoever asked for it hears how."""
    await asyncio.wait({work})
