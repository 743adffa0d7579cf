"""A pool of users who wait for arrivals, warm: their `on_start` has run. Only for the load process.

Any free user takes an arrival, at random: a round of taking turns would let idle connections reach
the system's keep-alive limit all at the same age.
"""

from __future__ import annotations

import random
import resource
import select
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache
from typing import Any

import gevent
from gevent.pool import Pool
from geventhttpclient.connectionpool import ConnectionPool
from locust import FastHttpUser, HttpUser, User
from locust.env import Environment
from locust.user.task import LOCUST_STATE_RUNNING, DefaultTaskSet

from sloproof.run.load.spec import LoadSpec
from sloproof.run.load.tasks import Sets, prepare, take_any
from sloproof.run.load.userfiles import BadProfile
from sloproof.run.load.visit import Visit, follow

STARTING = 32
"""How many users run their `on_start` at once."""


class Slot:
    """One user, and the arrival it is at work on."""

    def __init__(self, user: User, timeout: float) -> None:
        self.user = user
        self.sets: Sets = {}
        self.started = False
        self.visit: Visit | None = None
        self.greenlet: gevent.Greenlet | None = None
        client = getattr(user, "client", None)
        if isinstance(user, HttpUser | FastHttpUser):
            follow(client, lambda: self.visit, timeout)

    def start(self) -> None:
        """Run the user's `on_start` and enter its task sets."""
        self.user._state = LOCUST_STATE_RUNNING
        self.user._taskset_instance = DefaultTaskSet(self.user)
        self.user.on_start()
        prepare(self.user, self.sets)
        self.started = True


@dataclass(slots=True, eq=False)
class Crowd:
    """The users of one class, and the share of the arrivals that is theirs."""

    profile: str
    kind: type[User]
    share: Fraction
    chance: random.Random
    slots: list[Slot] = field(default_factory=list)
    free: list[Slot] = field(default_factory=list)

    def take(self) -> Slot | None:
        """A free user, or None where all are at work."""
        return take_any(self.free, self.chance) if self.free else None

    def fill(self, environment: Environment, size: int, timeout: float) -> None:
        """Create and start the users. Raises `BadProfile` where not one of them could start.

        One that could not tries again at its first arrival.
        """
        pool, failures = Pool(STARTING), []

        def start(slot: Slot) -> None:
            try:
                slot.start()
            except Exception as error:  # noqa: BLE001 - a profile's code may raise anything
                failures.append(error)

        for _ in range(size):
            slot = Slot(self.kind(environment), timeout)
            self.slots.append(slot)
            pool.spawn(start, slot)
        pool.join()
        if failures and len(failures) == size:
            error = failures[0]
            raise BadProfile(
                f"{self.profile}: no {self.kind.__name__} could start: "
                f"{type(error).__name__}: {error}"
            )
        self.free.extend(self.slots)


class Crowds:
    """All users of this process, and whose turn it is."""

    def __init__(self, crowds: Iterable[Crowd], seed: int) -> None:
        self._crowds = list(crowds)
        self._offset = random.Random(seed).getrandbits(64)
        total = sum((crowd.share for crowd in self._crowds), Fraction(0))
        limit = Fraction(0)
        self._limits = []
        for crowd in self._crowds:
            limit += crowd.share
            self._limits.append(int(limit / total * (1 << 64)))

    def of(self, arrival: int) -> Crowd:
        """Whose an arrival is: shares are met closely in every stretch of arrivals.

        Multiples of the golden ratio fall into an interval as often as its length says, with a
        discrepancy of O(log n / n) (Kuipers and Niederreiter, *Uniform Distribution of Sequences*,
        1974, chapter 2, theorem 3.4).
        """
        if len(self._crowds) == 1:
            return self._crowds[0]
        point = (arrival * 0x9E3779B97F4A7C15 + self._offset) & 0xFFFFFFFFFFFFFFFF
        pairs = zip(self._limits, self._crowds, strict=True)
        return next((crowd for limit, crowd in pairs if point < limit), self._crowds[-1])

    def __iter__(self) -> Iterator[Crowd]:
        return iter(self._crowds)


def slots_of(spec: LoadSpec, share: Fraction, worker: int, workers: int) -> int:
    """How many of the slots a share gets at one of several workers; at least one."""
    return max(1, round(spec.slots * share * (worker + 1) / workers)
               - round(spec.slots * share * worker / workers))  # fmt: skip


def suit(kind: type[User], spec: LoadSpec) -> None:
    """Make a user class fit the spec: its host, time-outs, headers and CA, without its doing."""
    kind.host = spec.host or kind.host
    seconds = spec.timeout_ns / 1e9
    if issubclass(kind, FastHttpUser):
        kind.network_timeout = kind.connection_timeout = seconds
        kind.default_headers = {**(kind.default_headers or {}), **spec.headers}
        if spec.ca is not None:
            kind.insecure = False
            kind.ssl_context_factory = staticmethod(_trusting(spec.ca))
    elif issubclass(kind, HttpUser):
        _suit_requests(kind, spec)


def _suit_requests(kind: type[HttpUser], spec: LoadSpec) -> None:
    plain: Any = kind.__init__

    def make(self: Any, *args: Any, **options: Any) -> None:
        plain(self, *args, **options)
        self.client.headers.update(spec.headers)
        if spec.ca is not None:
            self.client.verify = spec.ca

    kind.__init__ = make  # type: ignore[method-assign]


def keep_connections() -> None:
    """Let this process hold a connection for each of very many users, and use it again.

    geventhttpclient asks `select` whether an idle connection is still good, which only knows the
    first 1,024 descriptors; past them, every request would open a connection anew.
    """
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))

    def is_alive(_: ConnectionPool, sock: Any) -> bool:
        if sock is None or sock.fileno() < 0:
            return False
        poll = select.poll()
        poll.register(sock.fileno(), select.POLLIN)
        return not poll.poll(0)

    pool: Any = ConnectionPool
    pool._is_socket_alive = is_alive


@cache
def _trusting(ca: str) -> Any:
    from gevent.ssl import create_default_context

    context = create_default_context(cafile=ca)
    return lambda cafile=None: context  # noqa: ARG005 - the client passes a bundle of its own
