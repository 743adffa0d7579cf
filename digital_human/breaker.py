"""A circuit breaker: fails fast while a service is gone, and tries it again with one call.

`purgatory` was tried and left: its half-open state lets any number of calls out at once, a call
that was in flight when the breaker opened reports into whatever state it finds on its return
(an old success closes a half-open breaker), and it reads the wall clock.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum


class State(Enum):
    """The breaker's states, with the number that the metric `circuit_breaker_state` shows."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"

    @property
    def number(self) -> int:
        """0 closed, 1 open, 2 half-open."""
        return list(State).index(self)


@dataclass(frozen=True, slots=True)
class Permit:
    """Leave to make one call, tied to the period of the breaker's life in which it was given."""

    state: State
    period: int


@dataclass(frozen=True, slots=True)
class Change:
    """A change of state at `time_ns` on the breaker's clock."""

    previous: State
    state: State
    time_ns: int


class Breaker:
    """Counts consecutive failures of calls to one service.

    Ask with `admit` before each call and report each admitted call exactly once, by `record` or,
    if it ended without telling anything about the service, by `abandon`. Reports of calls that
    were admitted before the last change of state are ignored. `failure_threshold=None` never opens.
    Not thread-safe: it belongs to one event loop. `clock` is monotonic, in nanoseconds.
    """

    def __init__(
        self,
        *,
        failure_threshold: int | None,
        recovery_timeout: float,
        clock: Callable[[], int],
        on_change: Callable[[Change], None] = lambda _: None,
    ) -> None:
        self._threshold = failure_threshold
        self._recovery_ns = round(recovery_timeout * 1e9)
        self._clock = clock
        self._on_change = on_change
        self._state = State.CLOSED
        self._period = 0
        self._failures = 0
        self._opened_ns = 0
        self._trial_out = False

    @property
    def state(self) -> State:
        """The state as of the last call to a method; time alone changes nothing."""
        return self._state

    def admit(self) -> Permit | None:
        """Leave to make a call now, or `None` if it must fail fast."""
        if self._state is State.OPEN:
            if self._clock() - self._opened_ns < self._recovery_ns:
                return None
            self._become(State.HALF_OPEN)
        if self._state is State.HALF_OPEN:
            if self._trial_out:
                return None
            self._trial_out = True
        return Permit(self._state, self._period)

    def record(self, permit: Permit, *, succeeded: bool) -> None:
        """Report how the call that `permit` let out ended."""
        if permit.period != self._period:
            return
        if succeeded:
            self._failures = 0
            if self._state is State.HALF_OPEN:
                self._become(State.CLOSED)
            return
        self._failures += 1
        tripped = self._threshold is not None and self._failures >= self._threshold
        if self._state is State.HALF_OPEN or tripped:
            self._become(State.OPEN)

    def abandon(self, permit: Permit) -> None:
        """Give back a permit whose call was cancelled: it counts as neither success nor failure."""
        if permit.period == self._period:
            self._trial_out = False

    def _become(self, state: State) -> None:
        now = self._clock()
        previous, self._state = self._state, state
        self._period += 1
        self._failures = 0
        self._trial_out = False
        if state is State.OPEN:
            self._opened_ns = now
        self._on_change(Change(previous, state, now))
