"""Speech: turns text into something to listen to, at a cost and with failures that can be set."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from digital_human.behaviour import Controlled
from digital_human.copy_config import CopyConfig
from digital_human.settings import SpeechSettings
from digital_human.web import BadRequest, application, process_registry, read_object, reply, serve


class Speech:
    """The service's handlers and what they remember."""

    def __init__(self, settings: SpeechSettings, registry: CollectorRegistry) -> None:
        self.controlled = Controlled("speech", settings, registry)
        self._spoken = Counter("speech_spoken_total", "Texts spoken.", registry=registry)

    async def speak(self, request: Request) -> Response:
        text = (await read_object(request)).get("text")
        if not isinstance(text, str) or not text:
            raise BadRequest("text must be a string that is not empty")
        failure = await self.controlled.behave()
        if failure is not None:
            return failure
        self._spoken.inc()
        name = hashlib.blake2s(text.encode(errors="replace"), digest_size=12).hexdigest()
        return reply({"url": f"/speech/{name}.opus"})


def build(config: CopyConfig) -> Starlette:
    """The application of one copy."""
    registry = process_registry()
    speech = Speech(config.settings.speech, registry)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield

    routes = [Route("/speak", speech.speak, methods=["POST"]), speech.controlled.route()]
    return application(routes, service="speech", registry=registry, lifespan=lifespan)


if __name__ == "__main__":
    serve(build(CopyConfig.read(Path(sys.argv[1]))), int(sys.argv[2]))
