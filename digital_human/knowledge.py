"""Knowledge: finds what is known about a text, at a cost and with failures that can be set."""

from __future__ import annotations

import re
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from digital_human.behaviour import Controlled
from digital_human.copy_config import CopyConfig
from digital_human.settings import KnowledgeSettings
from digital_human.web import BadRequest, application, process_registry, read_object, reply, serve

FACTS: Mapping[str, str] = {
    "weather": "The weather is whatever you see out of the window.",
    "name": "I am a digital human.",
    "time": "It is later than you think.",
    "help": "Ask me about the weather, the time, or my name.",
}
MAX_FACTS = 3


class Knowledge:
    """The service's handlers and what they remember."""

    def __init__(self, settings: KnowledgeSettings, registry: CollectorRegistry) -> None:
        self.controlled = Controlled("knowledge", settings, registry)
        self._asked = Counter("knowledge_asked_total", "Questions answered.", registry=registry)

    async def ask(self, request: Request) -> Response:
        text = (await read_object(request)).get("text")
        if not isinstance(text, str) or not text:
            raise BadRequest("text must be a string that is not empty")
        failure = await self.controlled.behave()
        if failure is not None:
            return failure
        self._asked.inc()
        return reply({"facts": known_about(text)})


def known_about(text: str) -> list[str]:
    """The facts whose topic a text mentions, a few at most."""
    words = set(re.findall(r"\w+", text.lower()))
    return [fact for topic, fact in FACTS.items() if topic in words][:MAX_FACTS]


def build(config: CopyConfig) -> Starlette:
    """The application of one copy."""
    registry = process_registry()
    knowledge = Knowledge(config.settings.knowledge, registry)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield

    routes = [Route("/ask", knowledge.ask, methods=["POST"]), knowledge.controlled.route()]
    return application(routes, service="knowledge", registry=registry, lifespan=lifespan)


if __name__ == "__main__":
    serve(build(CopyConfig.read(Path(sys.argv[1]))), int(sys.argv[2]))
