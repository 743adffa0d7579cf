"""Health checks that run side by side: one that fails or hangs hides none of the others."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

CheckFunction = Callable[[], object | Awaitable[object]]


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What one check found; `error` is what it raised, `duration` is in seconds."""

    name: str
    healthy: bool
    duration: float
    error: Exception | None = None

    @property
    def detail(self) -> str:
        """Why it is not healthy, in words."""
        if self.error is None:
            return "healthy" if self.healthy else "the check said no"
        return f"{type(self.error).__name__}: {self.error}".removesuffix(": ")


@dataclass(frozen=True, slots=True)
class _Check:
    function: CheckFunction
    timeout: float


class HealthChecker:
    """Named checks, run together every `check_interval` seconds.

    A check is healthy unless it raises, returns `False` or takes longer than its time-out. It may
    be a coroutine function or a plain one; a plain one runs in a thread of its own.
    """

    def __init__(self, check_interval: float = 30.0, *, timeout: float = 5.0) -> None:
        self.check_interval = check_interval
        self._timeout = timeout
        self._checks: dict[str, _Check] = {}

    def add_check(self, func: CheckFunction, name: str, *, timeout: float | None = None) -> None:
        """Add a check. Raises `ValueError` if the name is taken."""
        if name in self._checks:
            raise ValueError(f"there is a check named {name!r} already")
        self._checks[name] = _Check(func, self._timeout if timeout is None else timeout)

    async def run_checks(self) -> Mapping[str, CheckResult]:
        """Run all checks at once; every one has a result, in the order of adding."""
        names = list(self._checks)
        results = await asyncio.gather(*(_run(name, self._checks[name]) for name in names))
        return dict(zip(names, results, strict=True))

    async def run(self, handle: Callable[[Mapping[str, CheckResult]], Awaitable[None]]) -> None:
        """Run the checks for ever, `check_interval` from start to start, and hand results on."""
        while True:
            began = time.monotonic()
            await handle(await self.run_checks())
            await asyncio.sleep(max(0.0, began + self.check_interval - time.monotonic()))


async def _run(name: str, check: _Check) -> CheckResult:
    began = time.monotonic()
    error: Exception | None = None
    answer: object = None
    try:
        async with asyncio.timeout(check.timeout):
            if inspect.iscoroutinefunction(check.function):
                answer = await check.function()
            else:
                answer = await asyncio.to_thread(check.function)
                if inspect.isawaitable(answer):
                    answer = await answer
    except Exception as raised:  # noqa: BLE001 - whatever a check raises is its result
        error = raised
    healthy = error is None and answer is not False
    return CheckResult(name, healthy, time.monotonic() - began, error)
