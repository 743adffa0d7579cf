"""The memory of a dialogue copy: made from what the copy was told, and its own addresses."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from prometheus_client import CollectorRegistry
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from digital_human.cache import Cache
from digital_human.call_log import CallLog
from digital_human.copy_config import CopyConfig
from digital_human.memory import Memory
from digital_human.roles import Roles
from digital_human.stores import Stores
from digital_human.topology import CACHE, STORE
from digital_human.web import BadRequest, read_object, reply

MAX_KEY = 200
MAX_NOTE = 4_000


def remembering(config: CopyConfig, registry: CollectorRegistry) -> Memory | None:
    """The memory; None where the platform stands in one place and has no store."""
    stores = {name: at for name, at in config.links.items() if name.startswith(f"{STORE}-")}
    if not stores:
        return None
    settings = config.settings
    calls = CallLog("dialogue", config.instance, Path(config.files["calls"]))
    cache = None
    if settings.cache.enabled and CACHE in config.links:
        cache = Cache(config.links[CACHE], settings.cache, registry, calls)
    roles = Roles.read(Path(config.files["roles"]))
    return Memory(Stores(stores, roles, settings.database, calls), cache, settings.database)


def notes_and_roles(memory: Memory) -> Sequence[Route]:
    """`/notes/KEY`, which keeps a text for good, `/roles`, by which the controller repoints it, and
    `/warm`, by which it fills the cache."""

    async def put_note(request: Request) -> Response:
        key, text = _key(request), (await read_object(request)).get("text")
        if not isinstance(text, str) or len(text) > MAX_NOTE:
            raise BadRequest(f"text must be a string of at most {MAX_NOTE} characters")
        await memory.note(key, text)
        return reply({"key": key}, 201)

    async def show_note(request: Request) -> Response:
        text = await memory.show_note(_key(request))
        if text is None:
            raise BadRequest("there is no such note", 404)
        return reply({"key": _key(request), "text": text})

    async def put_roles(request: Request) -> Response:
        wanted = await read_object(request)
        primary, epoch = wanted.get("primary"), wanted.get("epoch")
        if not isinstance(primary, str) or type(epoch) is not int:
            raise BadRequest("primary must be a name and epoch a number")
        memory.stores.point(Roles(primary, epoch))
        return _shown(memory.stores.roles)

    async def show_roles(_: Request) -> Response:
        return _shown(memory.stores.roles)

    async def warm(request: Request) -> Response:
        count = (await read_object(request)).get("count")
        if type(count) is not int or not 0 < count <= 10_000:
            raise BadRequest("count must be from 1 to 10000")
        return reply({"warmed": await memory.warm(count)})

    return [
        Route("/notes/{key}", put_note, methods=["PUT"]),
        Route("/notes/{key}", show_note, methods=["GET"]),
        Route("/roles", put_roles, methods=["PUT"]),
        Route("/roles", show_roles, methods=["GET"]),
        Route("/warm", warm, methods=["POST"]),
    ]


def _shown(roles: Roles) -> Response:
    return reply({"primary": roles.primary, "epoch": roles.epoch})


def _key(request: Request) -> str:
    key = str(request.path_params["key"])
    if not key or len(key) > MAX_KEY or not key.isprintable():
        raise BadRequest(f"a note's key has 1 to {MAX_KEY} printable characters")
    return key
