"""Dialogue: holds conversations, and lets speech say what it answers."""

from __future__ import annotations

import secrets
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from digital_human.client import CallMetrics, Client
from digital_human.copy_config import CopyConfig
from digital_human.memory import Memory
from digital_human.parent import PARENT
from digital_human.remembering import notes_and_roles, remembering
from digital_human.sessions import Session, find_session, new_session
from digital_human.stores import StoreUnavailable
from digital_human.web import BadRequest, application, process_registry, read_object, reply, serve

MAX_TEXT = 4_000
QUESTIONS = ("completed", "accurate", "solved")


class Business:
    """What the platform's owners ask about: conversations and what people thought of them."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.sessions = Counter("dialogue_sessions_total", "Sessions begun.", registry=registry)
        turns = Counter(
            "dialogue_turns_total", "Turns answered, by quality.", ("quality",), registry=registry
        )
        self.full, self.degraded = turns.labels("full"), turns.labels("degraded")
        self.satisfaction = Histogram(
            "dialogue_satisfaction",
            "People's marks from 1, bad, to 5, good.",
            buckets=(1, 2, 3, 4, 5),
            registry=registry,
        )
        self.feedback = Counter(
            "dialogue_feedback_total",
            "Answers to: was the task completed, the reply accurate, the problem solved?",
            ("question", "answer"),
            registry=registry,
        )


class Dialogue:
    """The service's handlers; without a memory, all that is known of a session is in its id."""

    def __init__(
        self, speech: Client, knowledge: Client | None, memory: Memory | None, business: Business
    ) -> None:
        self._speech = speech
        self._knowledge = knowledge
        self._memory = memory
        self._business = business

    async def create(self, _: Request) -> Response:
        session = new_session(time.time_ns() // 1_000_000, secrets.token_bytes(8))
        if self._memory is not None:
            await self._memory.begin(session)
        self._business.sessions.inc()
        return reply({"id": session.id}, 201)

    async def show(self, request: Request) -> Response:
        session = _session(request)
        told = {"id": session.id, "created_ms": session.created_ms}
        if self._memory is None:
            return reply(told)
        found = await self._memory.show(session)
        if found is None:
            raise BadRequest("nobody remembers this session", 404)
        return reply({**told, **found})

    async def turns(self, request: Request) -> Response:
        session = _session(request)
        found = await self._memory.turns(session) if self._memory else []
        return reply({"turns": found})

    async def turn(self, request: Request) -> Response:
        session = _session(request)
        text = said(await read_object(request))
        parent = PARENT.get()
        answer, degraded = await self._answer(text, parent)
        spoken = await self._speech.post("/speak", {"text": answer}, parent=parent)
        speech = spoken.get("url") if spoken else None
        degraded += [] if speech else ["speech"]
        if self._memory is not None:
            try:
                await self._memory.turn(session, text, answer, degraded)
            except StoreUnavailable:
                degraded.append("store")
        (self._business.degraded if degraded else self._business.full).inc()
        return reply({"reply": answer, "speech": speech, "degraded": degraded})

    async def feedback(self, request: Request) -> Response:
        session = _session(request)
        satisfaction, answers = opinion(await read_object(request))
        if self._memory is not None:
            await self._memory.feedback(session, satisfaction, answers)
        self._business.satisfaction.observe(satisfaction)
        for question, yes in answers.items():
            self._business.feedback.labels(question, "yes" if yes else "no").inc()
        return reply({"id": session.id, "satisfaction": satisfaction})

    async def _answer(self, text: str, parent: str) -> tuple[str, list[str]]:
        """What to say, and what was missing for it."""
        if self._knowledge is None:
            return compose(text), []
        known = await self._knowledge.post("/ask", {"text": text}, parent=parent)
        if known is None:
            return compose(text), ["knowledge"]
        return " ".join([compose(text), *known.get("facts", [])]), []


def said(content: dict[str, Any]) -> str:
    """What the person said. Raises `BadRequest`."""
    text = content.get("text")
    if not isinstance(text, str) or not text.strip():
        raise BadRequest("text must be a string that is not empty")
    if len(text) > MAX_TEXT:
        raise BadRequest(f"text is longer than {MAX_TEXT} characters")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise BadRequest("text has half a surrogate pair in it") from error
    return text.strip()


def opinion(content: dict[str, Any]) -> tuple[int, dict[str, bool]]:
    """A mark from 1 to 5 and the answers to some of `QUESTIONS`. Raises `BadRequest`."""
    satisfaction = content.get("satisfaction")
    if type(satisfaction) is not int or not 1 <= satisfaction <= 5:
        raise BadRequest("satisfaction must be a whole number from 1 to 5")
    answers = {name: content[name] for name in QUESTIONS if name in content}
    for name, value in answers.items():
        if not isinstance(value, bool):
            raise BadRequest(f"{name} must be true or false")
    return satisfaction, answers


def compose(text: str) -> str:
    """What the digital human answers."""
    if text.endswith("?"):
        return f"Good question. Let me think about it: {text}"
    return f"I understand. You said: {text}"


def _session(request: Request) -> Session:
    session = find_session(request.path_params["id"])
    if session is None:
        raise BadRequest("there is no such session", 404)
    return session


def build(config: CopyConfig) -> Starlette:
    """The application of one copy."""
    registry = process_registry()
    metrics = CallMetrics("dialogue", registry)
    speech = Client("speech", config, metrics)
    knowledge = Client("knowledge", config, metrics) if "knowledge" in config.links else None
    memory = remembering(config, registry)
    dialogue = Dialogue(speech, knowledge, memory, Business(registry))

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(speech)
            if knowledge is not None:
                await stack.enter_async_context(knowledge)
            if memory is not None:
                await stack.enter_async_context(memory.awake())
            yield

    routes = [
        Route("/sessions", dialogue.create, methods=["POST"]),
        Route("/sessions/{id}", dialogue.show, methods=["GET"]),
        Route("/sessions/{id}/turns", dialogue.turns, methods=["GET"]),
        Route("/sessions/{id}/turns", dialogue.turn, methods=["POST"]),
        Route("/sessions/{id}/feedback", dialogue.feedback, methods=["POST"]),
        *(notes_and_roles(memory) if memory is not None else ()),
    ]
    return application(routes, service="dialogue", registry=registry, lifespan=lifespan)


if __name__ == "__main__":
    serve(build(CopyConfig.read(Path(sys.argv[1]))), int(sys.argv[2]))
