"""The stability controller: the platform's healer, readable over HTTP."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from digital_human.copy_config import CopyConfig
from digital_human.events import Events
from digital_human.healer import Copies, Healer
from digital_human.journal import Journal
from digital_human.web import BadRequest, application, process_registry, reply, serve


def build(config: CopyConfig) -> Starlette:
    """The controller's application; its healer works as long as it serves."""
    registry = process_registry()
    events = Events(Journal(Path(config.files["events"])), registry)
    healer = Healer(Copies(config), events)

    async def show_events(request: Request) -> Response:
        since = request.query_params.get("since", "0")
        if not since.isdecimal():
            raise BadRequest("since must be a time in nanoseconds")
        return reply({"events": events.since(int(since))})

    async def show_state(_: Request) -> Response:
        return reply(healer.to_json())

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        work = asyncio.create_task(healer.run())
        # A controller whose healer has crashed must not look alive.
        work.add_done_callback(_end_unless_cancelled)
        yield
        work.cancel()
        with suppress(asyncio.CancelledError):
            await work

    routes = [Route("/events", show_events), Route("/state", show_state)]
    return application(routes, service="controller", registry=registry, lifespan=lifespan)


def _end_unless_cancelled(work: asyncio.Task[None]) -> None:
    if not work.cancelled():
        signal.raise_signal(signal.SIGTERM)


if __name__ == "__main__":
    serve(build(CopyConfig.read(Path(sys.argv[1]))), int(sys.argv[2]))
