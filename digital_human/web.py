"""What every service of the platform shares: health, metrics, JSON errors, an inherited socket."""

from __future__ import annotations

import json
import socket
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

import uvicorn
from prometheus_client import (
    CollectorRegistry,
    Counter,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from digital_human.parent import PARENT

MAX_BODY = 64 * 1024
# Above every client's idle time-out, so that a reused connection is never closed by the server.
KEEP_ALIVE_S = 75
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0)

Lifespan = Callable[[Starlette], AbstractAsyncContextManager[None]]


class Unavailable(Exception):
    """Something behind this service does not answer; its client may well try again."""


class BadRequest(HTTPException):
    """The client's mistake, told to it as JSON."""

    def __init__(self, detail: str, status_code: int = 400) -> None:
        super().__init__(status_code, detail)


def application(
    routes: Sequence[Route], *, service: str, registry: CollectorRegistry, lifespan: Lifespan
) -> Starlette:
    """A Starlette application with `/health`, `/metrics`, measured requests and JSON errors."""

    async def health(_: Request) -> Response:
        return Response(b'{"status":"ok"}', media_type="application/json")

    async def metrics(_: Request) -> Response:
        return Response(generate_latest(registry), media_type="text/plain; version=0.0.4")

    return Starlette(
        routes=[Route("/health", health), Route("/metrics", metrics), *routes],
        lifespan=lifespan,
        middleware=[Middleware(Measured, service=service, registry=registry)],
        exception_handlers={
            HTTPException: _client_error,
            Unavailable: _unavailable,
            Exception: _server_error,
        },
    )


def process_registry() -> CollectorRegistry:
    """A registry that shows this process's CPU, memory and open files."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    return registry


def reply(content: Mapping[str, Any], status: int = 200) -> Response:
    """A JSON answer."""
    return Response(
        json.dumps(content, separators=(",", ":")), status, media_type="application/json"
    )


async def read_object(request: Request) -> dict[str, Any]:
    """The JSON object in the body. Raises `BadRequest` for anything else or too much."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY:
            raise BadRequest(f"the body is longer than {MAX_BODY} bytes", 413)
    try:
        content = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"the body is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise BadRequest("the body must be a JSON object")
    return content


def serve(app: ASGIApp, fd: int) -> None:
    """Listen on the bound socket `fd` and answer until SIGTERM."""
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http="httptools",
        ws="none",
        access_log=False,
        log_level="warning",
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=1,
    )
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=fd)])


class Measured:
    """Counts requests and their durations by handler, method and status; notes whose they are."""

    def __init__(self, app: ASGIApp, *, service: str, registry: CollectorRegistry) -> None:
        self._app = app
        self._requests = Counter(
            f"{service}_requests_total",
            "Requests answered.",
            ("handler", "method", "status"),
            registry=registry,
        )
        self._durations = Histogram(
            f"{service}_request_duration_seconds",
            "Time from the request's head to the end of the answer.",
            ("handler",),
            buckets=BUCKETS,
            registry=registry,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        PARENT.set(headers.get(b"x-request-id", b"").decode("latin-1") or str(uuid.uuid4()))
        began = time.perf_counter()
        status = 500

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noting)
        finally:
            # Only routed paths and methods become labels: their number must stay bounded.
            endpoint = scope.get("endpoint")
            handler = getattr(endpoint, "__name__", "none") if status != 405 else "none"
            method = scope["method"] if handler != "none" else "none"
            self._requests.labels(handler, method, status).inc()
            self._durations.labels(handler).observe(time.perf_counter() - began)


async def _client_error(_: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    return reply(
        {"error": {"status": error.status_code, "message": error.detail}}, error.status_code
    )


async def _unavailable(_: Request, error: Exception) -> Response:
    return reply({"error": {"status": 503, "message": str(error)}}, 503)


async def _server_error(_: Request, error: Exception) -> Response:
    return reply({"error": {"status": 500, "message": type(error).__name__}}, 500)
