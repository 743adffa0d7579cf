"""Two levels of cache before the store: in this copy, and in the region's Valkey.

Whatever is wrong with Valkey, the answer comes from further behind: a cache that is gone costs
time, never an answer.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge
from valkey.asyncio import Valkey
from valkey.exceptions import ConnectionError as ValkeyConnectionError
from valkey.exceptions import TimeoutError as ValkeyTimeout
from valkey.exceptions import ValkeyError

from digital_human.call_log import CallLog
from digital_human.settings import CacheSettings
from digital_human.topology import CACHE

Value = dict[str, Any]
RETRY_S = 0.5
"""After a failure Valkey isn't asked for so long: while it is gone, nobody waits for it."""


class Cache:
    """Values by key. Belongs to one event loop; `clock` is monotonic, in seconds."""

    def __init__(
        self,
        address: str,
        settings: CacheSettings,
        registry: CollectorRegistry,
        calls: CallLog,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._calls = calls
        self._address = address
        self._clock = clock
        self._near: OrderedDict[str, tuple[float, Value]] = OrderedDict()
        self._far = Valkey.from_url(address, socket_timeout=None)
        self._rested = 0.0
        self._answers = Counter(
            "dialogue_cache_answers_total", "Where values came from.", ("level",), registry=registry
        )
        self._up = Gauge(
            "dialogue_cache_up", "Whether the second level answers.", registry=registry
        )
        self._up.set(1)

    async def get(self, key: str, behind: Callable[[], Awaitable[Value | None]]) -> Value | None:
        """The value from the nearest level that has it, else from `behind`; then near as well."""
        now = self._clock()
        until, value = self._near.get(key, (0.0, {}))
        if now < until:
            self._answers.labels("near").inc()
            return value
        text = await self._ask(self._far.get(key))
        if text is not None:
            self._answers.labels("far").inc()
            found: Value | None = json.loads(text)
        else:
            found = await behind()
            self._answers.labels("behind").inc()
            if found is not None:
                await self._put_far(key, found)
        if found is not None:
            self._put_near(key, found)
        return found

    async def put(self, key: str, value: Value) -> None:
        """Let both levels have what was just written."""
        self._put_near(key, value)
        await self._put_far(key, value)

    async def warm(self, values: Iterable[tuple[str, Value]]) -> int:
        """Fill the second level, which whoever asks for it knows to be there; how many it took."""
        self._rested = 0.0
        taken = 0
        for key, value in values:
            taken += bool(await self._put_far(key, value))
        return taken

    async def close(self) -> None:
        """Close the connections."""
        await self._far.aclose()

    def _put_near(self, key: str, value: Value) -> None:
        self._near[key] = (self._clock() + self._settings.local_ttl, value)
        self._near.move_to_end(key)
        while len(self._near) > self._settings.entries:
            self._near.popitem(last=False)

    async def _put_far(self, key: str, value: Value) -> object:
        text = json.dumps(value)
        return await self._ask(self._far.set(key, text, px=int(self._settings.ttl * 1000)))

    async def _ask(self, question: Awaitable[Any]) -> Any:
        """What Valkey says, or None where it doesn't in time; then it is left alone for a while."""
        if self._clock() < self._rested:
            _unasked(question)
            return None
        began = time.monotonic_ns()
        try:
            async with asyncio.timeout(self._settings.timeout):
                answer = await question
        except (ValkeyError, OSError, TimeoutError) as error:
            self._calls.note(CACHE, began, _outcome(error), address=self._address)
            self._up.set(0)
            self._rested = self._clock() + RETRY_S
            return None
        self._calls.note(CACHE, began, "ok", address=self._address)
        self._up.set(1)
        return answer


def _outcome(error: Exception) -> str:
    """How a call ended, in the words of all calls. Valkey's own time-out is none of Python's."""
    if isinstance(error, TimeoutError | ValkeyTimeout):
        return "timeout"
    return "reset" if isinstance(error, OSError | ValkeyConnectionError) else "error"


def _unasked(question: Awaitable[Any]) -> None:
    """A coroutine that nobody awaits is closed, else Python complains."""
    close = getattr(question, "close", None)
    if close is not None:
        close()
