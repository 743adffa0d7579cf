"""How a service behaves until it is told otherwise: what a call costs, and how many fail."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, replace
from typing import Any

from prometheus_client import CollectorRegistry, Counter
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from digital_human.settings import ServiceSettings
from digital_human.web import BadRequest, read_object, reply

MAX_COST_MS = 60_000


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How the next calls go: the share that fails, with which status, and the cost of each."""

    failure_rate: float
    cost_ms: float
    status: int = 503

    def to_json(self) -> dict[str, Any]:
        """As `/control` shows it."""
        return {"failure_rate": self.failure_rate, "status": self.status, "cost_ms": self.cost_ms}


class Controlled:
    """A service's behaviour and its `/control`, which reads, changes and resets it."""

    def __init__(
        self, service: str, settings: ServiceSettings, registry: CollectorRegistry
    ) -> None:
        self._default = Behaviour(settings.failure_rate, settings.cost * 1000)
        self._behaviour = self._default
        self._chance = random.Random()
        self._refused = Counter(
            f"{service}_injected_failures_total", "Failures asked for.", registry=registry
        )

    async def behave(self) -> Response | None:
        """Take the time that a call costs; the answer where this one is to fail."""
        now = self._behaviour
        if now.cost_ms:
            await asyncio.sleep(now.cost_ms / 1000)
        if self._chance.random() >= now.failure_rate:
            return None
        self._refused.inc()
        return reply({"error": {"status": now.status, "message": "asked to fail"}}, now.status)

    def route(self) -> Route:
        """`/control`."""
        return Route("/control", self.control, methods=["GET", "PUT", "DELETE"])

    async def control(self, request: Request) -> Response:
        """Read it, change it, put it back."""
        if request.method == "PUT":
            self._behaviour = changed(self._behaviour, await read_object(request))
        elif request.method == "DELETE":
            self._behaviour = self._default
        return reply(self._behaviour.to_json())


def changed(behaviour: Behaviour, wanted: dict[str, Any]) -> Behaviour:
    """`behaviour` with what `wanted` names replaced. Raises `BadRequest`."""
    limits = {"failure_rate": (0, 1), "status": (400, 599), "cost_ms": (0, MAX_COST_MS)}
    for name, value in wanted.items():
        if name not in limits:
            raise BadRequest(f"no control {name!r}; there are {', '.join(limits)}")
        least, most = limits[name]
        kinds = (int,) if name == "status" else (int, float)
        if isinstance(value, bool) or not isinstance(value, kinds) or not least <= value <= most:
            raise BadRequest(f"{name} must be a number from {least} to {most}")
    return replace(behaviour, **wanted)
