"""Circuit breakers replayed from hand-written calls."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sloproof.contracts import Duration, Outcome
from sloproof.judge.checks.circuit_breaker import CircuitBreaker
from tests.judge.cases import built, claim, faulted, line

PASS, FAIL, INCONCLUSIVE = Outcome.PASS, Outcome.FAIL, Outcome.INCONCLUSIVE
CALL = "at every count from to instance callee outcome took breaker\n"
OPENS = """
    3s    10ms 100 d s d-1 s-1 ok       5ms  closed
    7s    10ms 5   d s d-1 s-1 timeout  50ms closed
    7.1s  10ms 180 d s d-1 s-1 rejected 0ms  open
"""
TRIES = """
    9.2s  10ms 1   d s d-1 s-1 ok       5ms  half_open
    9.21s 10ms 100 d s d-1 s-1 ok       5ms  closed
"""
SLOWLY = """
    7s    100ms 5  d s d-1 s-1 timeout  50ms closed
    7.5s  10ms 180 d s d-1 s-1 rejected 0ms  open
"""
TOLD = ((7.09, "open"), (9.2, "half_open"), (9.205, "closed"))


def breaker(
    folder: Path, calls: str, told: tuple[tuple[float, str], ...] = TOLD, threshold: int = 5
) -> Any:
    builder = faulted()
    if calls:
        builder.calls(CALL + calls)
    for at, state in told:
        builder.system(at, "breaker", instance="d-1", event=f"breaker={state}", detail={"to": "s"})
    check = CircuitBreaker(
        source="d", to="s", failure_threshold=threshold, recovery_timeout=Duration.parse("2s")
    )
    return claim(built(builder, folder), line(check), faults=("slow",)).finding


def test_a_breaker_that_does_all_that_one_should_passes(tmp_path: Path) -> None:
    found = breaker(tmp_path, OPENS + TRIES)
    assert found.outcome is PASS, found.reason
    assert {n.name: n.value for n in found.numbers} == {
        "openings": 1, "rejected": 180, "trials": 1, "rejection p99": 0.0,
    }  # fmt: skip


FAILED_TRIAL = """
    9.2s  10ms 1   d s d-1 s-1 timeout  50ms half_open
    9.3s  10ms 150 d s d-1 s-1 rejected 0ms  open
    11.3s 10ms 1   d s d-1 s-1 ok       5ms  half_open
    11.4s 10ms 50  d s d-1 s-1 ok       5ms  closed
"""
FAILED_TOLD = ((7.09, "open"), (9.2, "half_open"), (9.25, "open"), (11.3, "half_open"))


def test_a_failed_trial_opens_it_again(tmp_path: Path) -> None:
    found = breaker(tmp_path, OPENS + FAILED_TRIAL, FAILED_TOLD)
    assert found.outcome is PASS, found.reason
    assert found.numbers[0].value == 2


@pytest.mark.parametrize(
    ("calls", "told", "threshold", "reason"),
    [
        (OPENS + TRIES, TOLD, 6, "after 5 failures in a row (threshold 6)"),
        (SLOWLY + TRIES, TOLD, 4, "let a call through"),
        (OPENS + "8s 10ms 3 d s d-1 s-1 ok 5ms open" + TRIES, TOLD, 5, "let a call through"),
        (OPENS + "8s 10ms 9 d s d-1 s-1 rejected 300ms open" + TRIES, TOLD, 5, "to reject"),
        (
            OPENS + "9.2s 20ms 3 d s d-1 s-1 ok 90ms half_open",
            TOLD[:2], 5, "second call through while its trial",
        ),
        (OPENS + "9s 10ms 50 d s d-1 s-1 rejected 0ms open", TOLD[:1], 5, "without a trial"),
        (OPENS + TRIES, ((20.0, "open"),), 5, "did not say so"),
        (OPENS + TRIES, (*TOLD, (20.0, "open")), 5, "said it opened 18 s after warm-up"),
        ("7s 10ms 50 d s d-1 s-1 timeout 50ms closed", TOLD, 5, "let a call through"),
        ("7s 10ms 50 d s d-1 s-1 rejected 0ms open", TOLD, 5, "after 0 failures"),
    ],
)  # fmt: skip
def test_a_breaker_that_does_otherwise_fails(
    tmp_path: Path, calls: str, told: Any, threshold: int, reason: str
) -> None:
    found = breaker(tmp_path, calls, told, threshold)
    assert found.outcome is FAIL, found.reason
    assert reason in found.reason, found.reason


@pytest.mark.parametrize(
    ("calls", "told", "reason"),
    [
        ("", TOLD, "no calls"),
        (OPENS + TRIES, (), "no system-events"),
        (OPENS.replace(" s d-1", " x d-1"), TOLD, "no call d → s"),
        ("3s 10ms 100 d s d-1 s-1 ok 5ms closed", (TOLD[2],), "never opened"),
        ("3s 10ms 4 d s d-1 s-1 timeout 5ms closed", (TOLD[2],), "were 4 of 5"),
        (OPENS, TOLD[:1], "not seen to reject, try again and close"),
    ],
)
def test_a_breaker_that_was_not_seen_at_work_shows_nothing(
    tmp_path: Path, calls: str, told: Any, reason: str
) -> None:
    found = breaker(tmp_path, calls, told)
    assert found.outcome is INCONCLUSIVE, found.reason
    assert reason in found.reason


@pytest.mark.parametrize("status", ["404", "499"])
def test_a_callers_own_mistakes_open_no_breaker(tmp_path: Path, status: str) -> None:
    builder = faulted()
    builder.calls(f"at every count from to outcome status\n3s 10ms 50 d s error {status}")
    builder.system(4, "breaker", event="breaker=closed")
    check = CircuitBreaker(source="d", to="s")
    found = claim(built(builder, tmp_path), line(check), faults=("slow",)).finding
    assert "never opened" in found.reason


def test_each_calling_instance_has_its_own_breaker(tmp_path: Path) -> None:
    other = (OPENS + TRIES).replace("d-1", "d-2").replace("7s    10ms 5  ", "7s    10ms 3  ")
    found = breaker(tmp_path, OPENS + TRIES + other)
    assert found.outcome is FAIL
    assert "d-2 rejected a call after 3 failures" in found.reason
