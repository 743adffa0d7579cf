"""One arrival at work, and its requests while they are under way. Only for the load process."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import gevent

if TYPE_CHECKING:
    from sloproof.run.load.crowd import Crowd

FLIGHT = "sloproof"
"""The key in Locust's request context that leads from a request's event back to its flight."""


@dataclass(slots=True, eq=False)
class Flight:
    """A request under way; `finished` once its answer is read, before its task has judged it."""

    visit: Visit
    method: str
    name: str
    url: str
    first: bool
    sent: int = 0
    finished: int = 0


@dataclass(slots=True, eq=False)
class Visit:
    """An arrival that has a user: its number, its task, and the requests it is waiting for."""

    arrival: int
    intended: int
    late: bool
    crowd: Crowd
    task: object
    requests: int = 0
    """How many were made, and are recorded or under way."""
    flights: list[Flight] = field(default_factory=list)

    @property
    def profile(self) -> str:
        """The name of the profile whose user it has."""
        return self.crowd.profile


def follow(client: Any, visiting: Callable[[], Visit | None], timeout: float) -> None:
    """Make `client` (of an HttpUser or FastHttpUser) tell its visit of each request it makes.

    Every request gets `timeout` seconds in all, as if its socket had timed out: clean-up and
    reporting are then the client's own.
    """
    send = client.request

    def request(
        method: str, url: str | bytes, name: str | None = None, *args: Any, **options: Any
    ) -> Any:
        visit = visiting()
        timer = gevent.Timeout(timeout, TimeoutError("timed out"))
        if visit is None:
            with timer:
                return send(method, url, name, *args, **options)
        text = url if isinstance(url, str) else str(url, "latin-1")
        label = name or client.request_name or text
        flight = Flight(visit, method, label, text, first=visit.requests == 0)
        visit.requests += 1
        visit.flights.append(flight)
        context = options.get("context") or {}
        options["context"] = {**context, FLIGHT: flight}
        with timer:
            flight.sent = time.monotonic_ns()
            answer = send(method, url, name, *args, **options)
        flight.finished = time.monotonic_ns()
        return answer

    client.request = request
