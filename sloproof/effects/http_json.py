"""JSON over HTTP with the standard library only, with a time-out and typed errors."""

from __future__ import annotations

import http.client
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from sloproof.errors import EffectError, Unreachable


class Refused(Unreachable):
    """Nobody listens there: the service's process is gone, and what it held in memory with it."""


def on_this_host(url: str) -> bool:
    """Whether an address is a loopback one: who is refused there knows that nobody listens."""
    host = urlsplit(url).hostname or ""
    return host in {"localhost", "::1"} or host.startswith("127.")


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer: its status and its body, parsed where it is JSON."""

    status: int
    body: Any

    @property
    def good(self) -> bool:
        """Whether the status is one of success."""
        return 200 <= self.status < 300


def ask(method: str, url: str, body: object = None, *, timeout: float = 2.0) -> Reply:
    """One request; raises `Refused` where nobody listens, `Unreachable` where no answer came."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise EffectError(f"{url} is not an HTTP address")
    secure = parts.scheme == "https"
    kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
    connection = kind(parts.hostname, parts.port, timeout=timeout)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    payload = None if body is None else json.dumps(body).encode()
    headers = {"content-type": "application/json"} if payload else {}
    try:
        connection.request(method, path, payload, headers)
        answer = connection.getresponse()
        return Reply(answer.status, _parsed(answer.read()))
    except ConnectionRefusedError as error:
        raise Refused(f"{method} {url}: nobody listens there") from error
    except (OSError, http.client.HTTPException) as error:
        raise Unreachable(f"{method} {url}: {type(error).__name__} {error}") from error
    finally:
        connection.close()


def _parsed(raw: bytes) -> Any:
    try:
        return json.loads(raw) if raw else None
    except ValueError:
        return raw.decode("utf-8", "replace")
