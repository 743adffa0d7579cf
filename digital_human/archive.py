"""The archive of a region: keeps what the other region's primary sends of its log."""

from __future__ import annotations

import asyncio
import re
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from digital_human.call_log import CallLog
from digital_human.copy_config import CopyConfig
from digital_human.postgres.archive import Archive
from digital_human.postgres.errors import BackupError
from digital_human.topology import ARCHIVE, STORE
from digital_human.web import BadRequest, application, process_registry, reply, serve

NAME = re.compile(r"[0-9A-F]{24}(\.[0-9A-F]{8}\.backup|\.partial)?|[0-9A-F]{8}\.history")
"""What PostgreSQL archives: pieces of WAL, marks of backups, histories of time lines."""
MOST = 16 << 20
"""A piece of WAL is no larger, as servers are initialised here."""


class Keeping:
    """The service's handler, what it counts, and where it writes down who sent what."""

    def __init__(self, archive: Archive, registry: CollectorRegistry, calls: Path) -> None:
        self._archive = archive
        self._calls = calls
        self._logs: dict[str, CallLog] = {}
        self._one = threading.Lock()
        self._kept = Counter("archive_kept_total", "Pieces of WAL kept.", registry=registry)

    async def keep(self, request: Request) -> Response:
        """201 once the piece is flushed; 409 for another of its name, 507 where no room is."""
        name = request.path_params["name"]
        if not NAME.fullmatch(name):
            raise BadRequest("a name such as 000000010000000000000001 was expected")
        with self._noted(request):
            return await self._kept_now(request, name)

    @contextmanager
    def _noted(self, request: Request) -> Iterator[None]:
        """Write the call down, as its sender can't: a shell has no clock that others understand."""
        sender, (host, port) = request.headers.get("user-agent", ""), request.scope["server"]
        if sender not in self._logs:
            self._logs[sender] = CallLog(STORE, sender, self._calls)
        log, began, outcome = self._logs[sender], time.monotonic_ns(), "error"
        try:
            yield
            outcome = "ok"
        finally:
            log.note(ARCHIVE, began, outcome, address=f"http://{host}:{port}")

    async def _kept_now(self, request: Request, name: str) -> Response:
        content = await _content(request)
        try:
            await asyncio.to_thread(self._keep, name, content)
        except BackupError as error:
            raise BadRequest(str(error), 409) from error
        except OSError as error:
            raise BadRequest(f"{name} can't be kept: {error.strerror}", 507) from error
        self._kept.inc()
        return reply({"kept": name}, 201)

    def _keep(self, name: str, content: bytes) -> None:
        """One piece at a time: a sender that has waited too long sends the same one again."""
        with self._one:
            self._archive.keep(name, content)


async def _content(request: Request) -> bytes:
    """The piece, whole. Raises `BadRequest` for one that is too long, or whose sender has gone."""
    content = bytearray()
    try:
        async for chunk in request.stream():
            content += chunk
            if len(content) > MOST:
                raise BadRequest(f"a piece of WAL has at most {MOST} bytes", 413)
    except ClientDisconnect as error:
        raise BadRequest("the sender went away before all of it had come") from error
    return bytes(content)


def build(config: CopyConfig) -> Starlette:
    """The application of one copy."""
    registry = process_registry()
    archive = Archive(Path(config.files["archive"]))
    keeping = Keeping(archive, registry, Path(config.files["calls"]))

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield

    routes = [Route("/wal/{name}", keeping.keep, methods=["PUT"])]
    return application(routes, service="archive", registry=registry, lifespan=lifespan)


if __name__ == "__main__":
    serve(build(CopyConfig.read(Path(sys.argv[1]))), int(sys.argv[2]))
