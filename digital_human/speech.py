"""Speech: turns text into something to listen to, at a cost and with failures that can be set."""

from __future__ import annotations

import asyncio
import hashlib
import random
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, Counter
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from digital_human.copy_config import CopyConfig
from digital_human.settings import SpeechSettings
from digital_human.web import BadRequest, application, process_registry, read_object, reply, serve

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


class Speech:
    """The service's handlers and what they remember."""

    def __init__(self, settings: SpeechSettings, registry: CollectorRegistry) -> None:
        self._default = Behaviour(settings.failure_rate, settings.cost * 1000)
        self._behaviour = self._default
        self._chance = random.Random()
        self._spoken = Counter("speech_spoken_total", "Texts spoken.", registry=registry)
        self._refused = Counter(
            "speech_injected_failures_total", "Failures asked for.", registry=registry
        )

    async def speak(self, request: Request) -> Response:
        text = (await read_object(request)).get("text")
        if not isinstance(text, str) or not text:
            raise BadRequest("text must be a string that is not empty")
        now = self._behaviour
        if now.cost_ms:
            await asyncio.sleep(now.cost_ms / 1000)
        if self._chance.random() < now.failure_rate:
            self._refused.inc()
            return reply({"error": {"status": now.status, "message": "asked to fail"}}, now.status)
        self._spoken.inc()
        name = hashlib.blake2s(text.encode(errors="replace"), digest_size=12).hexdigest()
        return reply({"url": f"/speech/{name}.opus"})

    async def control(self, request: Request) -> Response:
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


def build(config: CopyConfig) -> Starlette:
    """The application of one copy."""
    registry = process_registry()
    speech = Speech(config.settings.speech, registry)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield

    routes = [
        Route("/speak", speech.speak, methods=["POST"]),
        Route("/control", speech.control, methods=["GET", "PUT", "DELETE"]),
    ]
    return application(routes, service="speech", registry=registry, lifespan=lifespan)


if __name__ == "__main__":
    serve(build(CopyConfig.read(Path(sys.argv[1]))), int(sys.argv[2]))
