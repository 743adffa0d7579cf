"""The controller's addresses for backups: take one, list them, restore one to a moment."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from digital_human.backup_keeper import BackupKeeper
from digital_human.postgres.errors import PostgresError
from digital_human.web import BadRequest, read_object, reply


def routes_of(keeper: BackupKeeper) -> Sequence[Route]:
    """`/backups` (GET: list, POST: take and verify one) and `/restored` (PUT, DELETE)."""

    async def show(_: Request) -> Response:
        return reply({"backups": keeper.list()})

    async def take(_: Request) -> Response:
        try:
            return reply(await keeper.take(), 201)
        except PostgresError as error:
            raise BadRequest(str(error), 409) from error

    async def restore(request: Request) -> Response:
        until = _moment((await read_object(request)).get("until"))
        try:
            return reply(await keeper.restore(until))
        except PostgresError as error:
            raise BadRequest(str(error), 409) from error

    async def drop(_: Request) -> Response:
        await keeper.drop()
        return reply({})

    return [
        Route("/backups", show, methods=["GET"]),
        Route("/backups", take, methods=["POST"]),
        Route("/restored", restore, methods=["PUT"]),
        Route("/restored", drop, methods=["DELETE"]),
    ]


def _moment(told: object) -> datetime | None:
    """A time as ISO 8601, UTC unless it says otherwise; None for all that there is."""
    if told is None:
        return None
    try:
        found = datetime.fromisoformat(str(told))
    except ValueError as error:
        raise BadRequest("until must be a time such as 2026-11-26T03:00:00Z") from error
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
