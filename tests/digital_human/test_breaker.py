from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from digital_human.breaker import Breaker, Change, Permit, State

SECOND = 1_000_000_000
THRESHOLD = 3
LAWS_THRESHOLD = 2
RECOVERY_S = 2.0


class Clock:
    def __init__(self) -> None:
        self.now = 0

    def __call__(self) -> int:
        return self.now


def breaker(
    clock: Clock, changes: list[Change] | None = None, threshold: int = THRESHOLD
) -> Breaker:
    return Breaker(
        failure_threshold=threshold,
        recovery_timeout=RECOVERY_S,
        clock=clock,
        on_change=(changes if changes is not None else []).append,
    )


def call(subject: Breaker, *, succeeded: bool) -> None:
    permit = subject.admit()
    assert permit is not None
    subject.record(permit, succeeded=succeeded)


def opened(clock: Clock) -> Breaker:
    subject = breaker(clock)
    for _ in range(THRESHOLD):
        call(subject, succeeded=False)
    assert subject.state is State.OPEN
    return subject


@pytest.mark.parametrize(
    ("calls", "state"),
    [
        ("", State.CLOSED),
        ("ff", State.CLOSED),
        ("fff", State.OPEN),
        ("ffsff", State.CLOSED),
        ("ffsfff", State.OPEN),
        ("sssfff", State.OPEN),
    ],
)
def test_it_opens_exactly_at_the_threshold_of_consecutive_failures(
    calls: str, state: State
) -> None:
    subject = breaker(Clock())
    for letter in calls:
        call(subject, succeeded=letter == "s")
    assert subject.state is state


def test_while_open_no_call_goes_out_until_the_recovery_time_is_over() -> None:
    clock = Clock()
    subject = opened(clock)
    clock.now = 2 * SECOND - 1
    assert subject.admit() is None
    clock.now = 2 * SECOND
    assert subject.admit() == Permit(State.HALF_OPEN, 2)


def test_half_open_lets_one_call_out_at_a_time() -> None:
    clock = Clock()
    subject = opened(clock)
    clock.now = 2 * SECOND
    assert subject.admit() is not None
    assert [subject.admit() for _ in range(3)] == [None, None, None]


@pytest.mark.parametrize(("succeeded", "state"), [(True, State.CLOSED), (False, State.OPEN)])
def test_the_trial_call_decides(succeeded: bool, state: State) -> None:
    clock = Clock()
    subject = opened(clock)
    clock.now = 2 * SECOND
    call(subject, succeeded=succeeded)
    assert subject.state is state


def test_a_failed_trial_starts_the_recovery_time_anew() -> None:
    clock = Clock()
    subject = opened(clock)
    clock.now = 3 * SECOND
    call(subject, succeeded=False)
    clock.now = 5 * SECOND - 1
    assert subject.admit() is None
    clock.now = 5 * SECOND
    assert subject.admit() is not None


def test_an_abandoned_trial_makes_room_for_the_next() -> None:
    clock = Clock()
    subject = opened(clock)
    clock.now = 2 * SECOND
    trial = subject.admit()
    assert trial is not None
    subject.abandon(trial)
    assert subject.state is State.HALF_OPEN
    assert subject.admit() is not None


@pytest.mark.parametrize("succeeded", [True, False])
def test_a_call_from_before_it_opened_neither_closes_nor_reopens_it(succeeded: bool) -> None:
    clock = Clock()
    subject = breaker(clock)
    in_flight = [subject.admit() for _ in range(THRESHOLD + 2)]
    late = in_flight.pop()
    for permit in in_flight:
        assert permit is not None
        subject.record(permit, succeeded=False)
    clock.now = 2 * SECOND
    trial = subject.admit()
    assert late is not None
    assert trial is not None
    subject.record(late, succeeded=succeeded)
    assert subject.admit() is None
    subject.record(trial, succeeded=True)
    assert subject.state is State.CLOSED


def test_changes_are_told_with_their_times() -> None:
    clock = Clock()
    changes: list[Change] = []
    subject = breaker(clock, changes)
    for _ in range(THRESHOLD):
        call(subject, succeeded=False)
    clock.now = 2 * SECOND
    call(subject, succeeded=True)
    assert changes == [
        Change(State.CLOSED, State.OPEN, 0),
        Change(State.OPEN, State.HALF_OPEN, 2 * SECOND),
        Change(State.HALF_OPEN, State.CLOSED, 2 * SECOND),
    ]


def test_without_a_threshold_it_never_opens() -> None:
    subject = Breaker(failure_threshold=None, recovery_timeout=1, clock=Clock())
    for _ in range(1_000):
        call(subject, succeeded=False)
    assert subject.state is State.CLOSED


class BreakerLaws(RuleBasedStateMachine):
    """Any interleaving of calls, against a history kept beside the breaker."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.changes: list[Change] = []
        self.subject = breaker(self.clock, self.changes, LAWS_THRESHOLD)
        self.in_flight: list[tuple[Permit, int]] = []
        self.failures = 0

    @rule(nanoseconds=st.sampled_from([1, SECOND, 2 * SECOND - 1, 2 * SECOND]))
    def time_passes(self, nanoseconds: int) -> None:
        self.clock.now += nanoseconds

    @rule()
    def asks(self) -> None:
        before = self.subject.state
        permit = self.subject.admit()
        if before is State.CLOSED:
            assert permit is not None
        elif before is State.OPEN:
            waited = self.clock.now - self.changes[-1 if permit is None else -2].time_ns
            assert (permit is not None) == (waited >= RECOVERY_S * SECOND)
        if permit is not None:
            self.in_flight.append((permit, len(self.changes)))

    @precondition(lambda self: self.in_flight)
    @rule(data=st.data(), ending=st.sampled_from(["success", "failure", "abandoned"]))
    def ends(self, data: st.DataObject, ending: str) -> None:
        index = data.draw(st.integers(0, len(self.in_flight) - 1))
        permit, period = self.in_flight.pop(index)
        before, current = self.subject.state, period == len(self.changes)
        if ending == "abandoned":
            self.subject.abandon(permit)
        else:
            self.subject.record(permit, succeeded=ending == "success")
        after = self.subject.state
        if not current or ending == "abandoned":
            assert after is before
            return
        self.failures = 0 if ending == "success" else self.failures + 1
        if before is State.HALF_OPEN:
            assert after is (State.CLOSED if ending == "success" else State.OPEN)
        else:
            assert (after is State.OPEN) == (self.failures >= LAWS_THRESHOLD)
        if after is not before:
            self.failures = 0

    @invariant()
    def at_most_one_trial_is_out(self) -> None:
        if self.subject.state is State.HALF_OPEN:
            trials = [permit for permit, period in self.in_flight if period == len(self.changes)]
            assert len(trials) <= 1


TestBreakerLaws = BreakerLaws.TestCase
TestBreakerLaws.settings = settings(max_examples=150, stateful_step_count=60, deadline=None)
