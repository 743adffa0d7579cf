"""What every process that makes requests is made of: users, recorder, generator. Load process only.

Used by the only process of a small load, and by each worker of a larger one.
"""

from __future__ import annotations

import gc
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from typing import Any

import gevent
import locust
from locust import User, argument_parser
from locust.env import Environment

from sloproof.run.load.crowd import Crowd, Crowds, keep_connections, slots_of, suit
from sloproof.run.load.generator import Generator
from sloproof.run.load.recorder import Recorder
from sloproof.run.load.rows import RowWriter, Sink
from sloproof.run.load.spec import LoadSpec
from sloproof.run.load.userfiles import load_users
from sloproof.run.precedence import take_precedence

FLUSH_EVERY = 0.2


class Station:
    """A process that makes requests: `prepare`, then `run` from a moment on, and `stop`."""

    def __init__(
        self,
        spec: LoadSpec,
        sink: Sink,
        share: tuple[int, int] = (0, 1),
        environment: Environment | None = None,
    ) -> None:
        """`share`: this process's number among how many; every so many-th arrival is its own."""
        self._spec = spec
        self._share = share
        self.environment = environment or new_environment(spec)
        self._rows = RowWriter(sink)
        self._recorder = Recorder(self._rows)
        self.generator: Generator | None = None
        self.notices: list[str] = []

    def prepare(self) -> None:
        """Load the profiles and start their users. Raises `BadProfile`."""
        random.seed(f"{self._spec.seed}/{self._share[0]}")
        kinds = self._kinds()
        events: Any = self.environment.events
        self.environment.parsed_options = self._options(events)
        events.init.fire(environment=self.environment, runner=self.environment.runner, web_ui=None)
        events.test_start.fire(environment=self.environment)
        keep_connections()
        crowds = [
            Crowd(profile, kind, share, random.Random(f"{self._spec.seed}/{number}/{self._share}"))
            for number, (profile, kind, share) in enumerate(kinds)
        ]
        for crowd in crowds:
            size = slots_of(self._spec, crowd.share, *self._share)
            crowd.fill(self.environment, size, self._spec.timeout_ns / 1e9)
        self.generator = Generator(
            self._spec, Crowds(crowds, self._spec.seed), self._recorder, *self._share
        )
        # What the warm-up made stays: collecting it again and again would make arrivals late.
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 20, 50)

    def run(self, begin: int) -> dict[str, Any]:
        """Make the arrivals from `begin` (CLOCK_MONOTONIC ns) to the stop; gives their counts."""
        generator = self._ready
        events: Any = self.environment.events
        events.request.add_listener(self._recorder.on_request)
        flusher = gevent.spawn(self._flush)
        take_precedence()
        generator.run(begin)
        flusher.kill()
        self._rows.flush()
        events.test_stop.fire(environment=self.environment)
        return self.progress() | {"unfinished": generator.counts.in_flight}

    def stop(self, at: int) -> None:
        """End the arrivals at `at`."""
        self._ready.stop(at)

    def progress(self) -> dict[str, Any]:
        """How many arrivals there were, and are at work."""
        counts = self._ready.counts
        return {
            "planned": counts.planned,
            "started": counts.started,
            "late": counts.late,
            "no_slot": counts.no_slot,
            "failed_tasks": counts.failed_tasks,
            "last_error": self._ready.last_error,
            "in_flight": self._ready.under_way,
            "at": time.monotonic_ns(),
        }

    def _options(self, events: Any) -> Any:
        """Locust's own options at their defaults, those that profiles add, and `load.with`."""
        parser: Any = argument_parser.get_empty_argument_parser(
            add_help=False, default_config_files=[]
        )
        fill: Any = argument_parser.setup_parser_arguments
        fill(parser)
        events.init_command_line_parser.fire(parser=parser)
        options = parser.parse_args([])
        vars(options).update(host=self._spec.host, **self._spec.options)
        return options

    @property
    def _ready(self) -> Generator:
        if self.generator is None:
            raise RuntimeError("a station is prepared before it runs")
        return self.generator

    def _flush(self) -> None:
        while True:
            gevent.sleep(FLUSH_EVERY)
            self._rows.flush()

    def _kinds(self) -> Iterator[tuple[str, type[User], Any]]:
        found = []
        for number, part in enumerate(self._spec.mix):
            users = load_users(part, number)
            self.environment.user_classes.extend(users)
            weights = _weights(users)
            for user in users:
                suit(user, self._spec)
                if user.wait_time is not User.wait_time:
                    self.notices.append(
                        f"{part.profile}: {user.__name__}.wait_time is ignored: "
                        "the experiment says when arrivals come"
                    )
                found.append(
                    (part.profile, user, part.share * weights[user] / sum(weights.values()))
                )
        yield from found


def _weights(users: list[type[User]]) -> dict[type[User], Fraction]:
    """The classes' weights; a `fixed_count` counts as one, and none at all means equal ones."""
    found = {u: Fraction(u.fixed_count or u.weight).limit_denominator(10**6) for u in users}
    return found if any(found.values()) else dict.fromkeys(users, Fraction(1))


def new_environment(spec: LoadSpec) -> Environment:
    """A Locust environment without a web page, on the events that profiles listen to."""
    return Environment(events=locust.events, host=spec.host, stop_timeout=spec.timeout_ns / 1e9)


@contextmanager
def without_statistics(environment: Environment) -> Iterator[None]:
    """Runners made inside keep no statistics: these cost time, and none of ours come from them."""
    events: Any = environment.events
    real, events.request = events.request, type(events.request)()
    try:
        yield
    finally:
        events.request = real
