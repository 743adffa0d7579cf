"""Calls from one service to another: through a breaker, within a time, each on the record."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from digital_human.breaker import Breaker, Change, State
from digital_human.copy_config import CopyConfig
from digital_human.journal import Journal
from digital_human.web import BUCKETS

# Below the services' own keep-alive, see `web.KEEP_ALIVE_S`.
IDLE_TIMEOUT_S = 30
MAX_CONNECTIONS = 512
JSON = {"content-type": "application/json"}


class Outcome(Enum):
    """How a call ended; `REJECTED` means that the breaker kept it from being sent."""

    OK = "ok"
    ERROR = "error"
    TIMEOUT = "timeout"
    REFUSED = "refused"
    RESET = "reset"
    REJECTED = "rejected"


@dataclass(slots=True)
class Attempt:
    """One call while it is under way."""

    state: State
    sent_ns: int = field(default_factory=time.monotonic_ns)
    status: int = 0
    outcome: Outcome = Outcome.ERROR

    @property
    def failed(self) -> bool:
        """Whether it counts against the service; the caller's own mistakes (4xx) don't."""
        return self.outcome is not Outcome.OK and not 400 <= self.status < 500


class CallMetrics:
    """What all clients of one copy of `source` count."""

    def __init__(self, source: str, registry: CollectorRegistry) -> None:
        self.source = source
        self.state = Gauge(
            "circuit_breaker_state",
            "0 closed, 1 open, 2 half-open.",
            ("from", "to", "instance"),
            registry=registry,
        )
        self.outcomes = Counter(
            f"{source}_calls_total", "Calls by outcome.", ("to", "outcome"), registry=registry
        )
        self.durations = Histogram(
            f"{source}_call_duration_seconds",
            "Durations of the calls that were sent.",
            ("to",),
            buckets=BUCKETS,
            registry=registry,
        )


class Client:
    """What one copy uses to call `target`. Belongs to one event loop."""

    def __init__(self, target: str, config: CopyConfig, metrics: CallMetrics) -> None:
        self._who = {"from": metrics.source, "to": target, "instance": config.instance}
        self._url = config.links[target]
        self._who["upstream"] = urlsplit(self._url).netloc
        self._timeout = aiohttp.ClientTimeout(total=config.settings.call.timeout)
        self._calls = Journal(Path(config.files["calls"]))
        self._events = Journal(Path(config.files["breaker_events"]))
        settings = config.settings.breaker
        self._breaker = Breaker(
            failure_threshold=settings.failure_threshold if settings.enabled else None,
            recovery_timeout=settings.recovery_timeout,
            clock=time.monotonic_ns,
            on_change=self._changed,
        )
        self._state = metrics.state.labels(metrics.source, target, config.instance)
        self._outcomes = metrics.outcomes
        self._durations = metrics.durations.labels(target)
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Client:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=MAX_CONNECTIONS, keepalive_timeout=IDLE_TIMEOUT_S),
            timeout=self._timeout,
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()
        self._calls.close()
        self._events.close()

    async def post(
        self, path: str, content: dict[str, Any], *, parent: str
    ) -> dict[str, Any] | None:
        """What the service answered, or `None` if there is no good answer, for whatever reason.

        `parent` is the id of the request on whose behalf this is called; it is passed on.
        """
        permit = self._breaker.admit()
        attempt = Attempt(self._breaker.state)
        if permit is None:
            attempt.outcome = Outcome.REJECTED
            self._note(attempt, parent, attempt.sent_ns)
            return None
        try:
            answer = await self._send(attempt, path, content, parent)
        except BaseException:
            self._note(attempt, parent, time.monotonic_ns())
            self._breaker.abandon(permit)
            raise
        self._note(attempt, parent, time.monotonic_ns())
        self._breaker.record(permit, succeeded=not attempt.failed)
        return answer

    async def _send(
        self, attempt: Attempt, path: str, content: dict[str, Any], parent: str
    ) -> dict[str, Any] | None:
        if self._session is None:
            raise RuntimeError("a Client is used inside `async with`")
        try:
            async with self._session.post(
                self._url + path,
                data=json.dumps(content).encode(),
                headers={**JSON, "x-request-id": parent},
            ) as response:
                attempt.status = response.status
                answer = await response.json()
        except TimeoutError:
            attempt.outcome = Outcome.TIMEOUT
        except aiohttp.ClientConnectorError as error:
            refused = isinstance(error.os_error, ConnectionRefusedError)
            attempt.outcome = Outcome.REFUSED if refused else Outcome.ERROR
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError, aiohttp.ClientPayloadError):
            attempt.outcome = Outcome.RESET
        except (aiohttp.ClientError, ValueError):
            attempt.outcome = Outcome.ERROR
        else:
            if attempt.status < 400 and isinstance(answer, dict):
                attempt.outcome = Outcome.OK
                return answer
        return None

    def _note(self, attempt: Attempt, parent: str, finished_ns: int) -> None:
        self._calls.write(
            {
                **self._who,
                "parent": parent,
                "attempt": 1,
                "sent_ns": attempt.sent_ns,
                "finished_ns": finished_ns,
                "status": attempt.status,
                "outcome": attempt.outcome.value,
                "breaker": attempt.state.value,
            }
        )
        self._outcomes.labels(self._who["to"], attempt.outcome.value).inc()
        if attempt.outcome is not Outcome.REJECTED:
            self._durations.observe((finished_ns - attempt.sent_ns) / 1e9)

    def _changed(self, change: Change) -> None:
        self._state.set(change.state.number)
        self._events.write(
            {
                "kind": "breaker",
                **self._who,
                "state": change.state.value,
                "previous": change.previous.value,
                "time_ns": change.time_ns,
                "wall_ns": time.time_ns(),
            }
        )
