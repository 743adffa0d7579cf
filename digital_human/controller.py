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

from digital_human.backup_keeper import BackupKeeper
from digital_human.backup_routes import routes_of
from digital_human.copies import Copies
from digital_human.copy_config import CopyConfig
from digital_human.custody import Custody
from digital_human.estate import Estate
from digital_human.events import Events
from digital_human.healer import Healer
from digital_human.journal import Journal
from digital_human.recovery import RepairFailed
from digital_human.store_watch import StoreWatch
from digital_human.web import BadRequest, application, process_registry, read_object, reply, serve


def build(config: CopyConfig, estate: Estate | None) -> Starlette:
    """The controller's application; its healer works as long as it serves."""
    registry = process_registry()
    events = Events(Journal(Path(config.files["events"])), registry)
    custody = watch = keeper = None
    if estate is not None:
        custody = Custody(estate, Path(config.files["folder"]), config.settings)
        within = config.settings.healer.check_timeout
        watch = StoreWatch(custody, Path(config.files["calls"]), within)
        keeper = BackupKeeper(custody, config.links, config.settings.backup, events)
    healer = Healer(Copies(config), events, config.settings, custody, watch)

    async def show_events(request: Request) -> Response:
        since = request.query_params.get("since", "0")
        if not since.isdecimal():
            raise BadRequest("since must be a time in nanoseconds")
        return reply({"events": events.since(int(since))})

    async def show_state(_: Request) -> Response:
        return reply(healer.to_json())

    async def fail_back(request: Request) -> Response:
        to = (await read_object(request)).get("to")
        if not isinstance(to, str):
            raise BadRequest("to must be the name of a store")
        try:
            return reply({"done": await healer.fail_back(to)})
        except RepairFailed as error:
            raise BadRequest(str(error), 409) from error

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        work = asyncio.create_task(_all(healer, keeper))
        # A controller whose healer has crashed must not look alive.
        work.add_done_callback(_end_unless_cancelled)
        yield
        work.cancel()
        with suppress(asyncio.CancelledError):
            await work
        if keeper is not None:
            await keeper.close()

    routes = [
        Route("/events", show_events),
        Route("/state", show_state),
        Route("/failback", fail_back, methods=["POST"]),
        *(routes_of(keeper) if keeper is not None else ()),
    ]
    return application(routes, service="controller", registry=registry, lifespan=lifespan)


async def _all(healer: Healer, keeper: BackupKeeper | None) -> None:
    """Whatever the controller does for ever."""
    async with asyncio.TaskGroup() as group:
        group.create_task(healer.run())
        if keeper is not None:
            group.create_task(keeper.run())


def _end_unless_cancelled(work: asyncio.Task[None]) -> None:
    if not work.cancelled():
        signal.raise_signal(signal.SIGTERM)


if __name__ == "__main__":
    own = Path(sys.argv[1])
    serve(build(CopyConfig.read(own), Estate.read(own)), int(sys.argv[2]))
