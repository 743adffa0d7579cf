"""The one adapter around `toxiproxy-python`, adding what it lacks.

The library (0.1.1) keeps its server's address in class attributes, has no time-outs, no updates
and lets 5xx pass. Here each `Server` has its own address, every request a time-out, every failure
a type. The library, which imports `requests`, is loaded only by what creates or lists; undoing
needs nothing but the standard library, because the guardian does it.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from sloproof.effects.http_json import Refused, Reply, ask, on_this_host
from sloproof.errors import EffectError

if TYPE_CHECKING:
    from toxiproxy import Proxy

ABSENT = 404
EXISTS = 409


class ToxiproxyError(EffectError):
    """The Toxiproxy server refused a request."""


class NoSuchProxy(ToxiproxyError):
    """There is no proxy of that name, or no toxic."""


class ToxicExists(ToxiproxyError):
    """A toxic of that name is there already."""


@dataclass(frozen=True, slots=True)
class Server:
    """One Toxiproxy server by its API address; any number of them in one process."""

    url: str
    timeout: float = 2.0

    def ask(self, method: str, path: str, body: object = None) -> Reply:
        """One API request; raises a `ToxiproxyError` for every status that isn't a success."""
        reply = ask(method, self.url.rstrip("/") + path, body, timeout=self.timeout)
        if reply.good:
            return reply
        kind = {ABSENT: NoSuchProxy, EXISTS: ToxicExists}.get(reply.status, ToxiproxyError)
        raise kind(
            f"Toxiproxy at {self.url} answered {reply.status} to {method} {path}: {reply.body}"
        )

    def state(self, proxy: str) -> dict[str, Any]:
        """The proxy's own state: listen, upstream, enabled, toxics."""
        state: dict[str, Any] = self.ask("GET", _path(proxy)).body
        return state

    def proxy(self, name: str) -> Proxy:
        """The library's proxy object, speaking to this server; raises `NoSuchProxy`."""
        found: Proxy | None = _library(self).get_proxy(name)
        if found is None:
            raise NoSuchProxy(f"Toxiproxy at {self.url} has no proxy {name}")
        return found

    def add_toxic(self, proxy: str, toxic: Mapping[str, Any]) -> None:
        """Add a toxic (`name`, `type`, `stream`, `attributes`); raises `ToxicExists`."""
        found = self.proxy(proxy)
        with _speaking_to(self):
            found.add_toxic(**toxic)

    def update_toxic(self, proxy: str, name: str, attributes: Mapping[str, Any]) -> None:
        """Change the attributes of a toxic that is there."""
        self.ask(
            "POST", f"{_path(proxy)}/toxics/{quote(name, safe='')}", {"attributes": attributes}
        )

    def remove_toxic(self, proxy: str, name: str) -> bool:
        """Remove a toxic by its name; False where there was none."""
        try:
            self.ask("DELETE", f"{_path(proxy)}/toxics/{quote(name, safe='')}")
        except NoSuchProxy:
            return False
        return True

    def enable(self, proxy: str, *, enabled: bool) -> None:
        """Let the proxy listen, or close it with all its connections."""
        self.ask("POST", _path(proxy), {"enabled": enabled})

    def gone(self) -> bool:
        """Whether nobody listens at a loopback address: a dead server took its toxics along."""
        try:
            self.ask("GET", "/version")
        except Refused:
            return on_this_host(self.url)
        except EffectError:
            return False
        return False


def _path(proxy: str) -> str:
    return f"/proxies/{quote(proxy, safe='')}"


_current = threading.local()


class _Transport:
    """Stands in for the library's `APIConsumer`: the same calls, to the server of this thread."""

    @staticmethod
    def get(url: str) -> _Response:
        return _Response(_current.server.ask("GET", url))

    @staticmethod
    def post(url: str, json: object = None) -> _Response:
        return _Response(_current.server.ask("POST", url, json))

    @staticmethod
    def delete(url: str) -> _Response:
        return _Response(_current.server.ask("DELETE", url))


@dataclass(frozen=True, slots=True)
class _Response:
    """The part of a `requests` response that the library reads."""

    reply: Reply

    def json(self) -> Any:
        return self.reply.body


@dataclass(frozen=True, slots=True)
class _speaking_to:  # noqa: N801 - read as a verb in a `with` statement
    """Within it, the library's calls in this thread go to `server`."""

    server: Server

    def __enter__(self) -> None:
        _current.server = self.server

    def __exit__(self, *error: object) -> None:
        del _current.server


@dataclass(frozen=True, slots=True)
class _library:  # noqa: N801 - read as a noun: the library, for one server
    """The library's server object, its transport replaced."""

    server: Server

    def get_proxy(self, name: str) -> Any:
        import toxiproxy.proxy
        import toxiproxy.server

        toxiproxy.proxy.APIConsumer = _Transport
        toxiproxy.server.APIConsumer = _Transport
        with _speaking_to(self.server):
            return toxiproxy.server.Toxiproxy().get_proxy(name)
