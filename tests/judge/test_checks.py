"""Budget, steady state, self-healing, circuit breakers, alerts over hand-written records."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from sloproof.contracts import Duration, Outcome, Rate, Ratio, Sense
from sloproof.judge.checks.budget import Budget
from sloproof.judge.checks.circuit_breaker import CircuitBreaker
from sloproof.judge.checks.self_healing import SelfHealing
from sloproof.judge.checks.slo import ServiceLevel
from sloproof.judge.checks.steady_state import SteadyState
from sloproof.spec.objectives import BurnRateAlert
from sloproof.testing.record import RecordBuilder
from tests.judge.cases import FAULT, GOOD, built, calm, claim, faulted, line, slo, verdict

PASS, FAIL, INCONCLUSIVE = Outcome.PASS, Outcome.FAIL, Outcome.INCONCLUSIVE


# -- budget


@pytest.mark.parametrize(
    ("bad", "at_most", "outcome"),
    [
        (0, "5%", PASS),
        (23, "5%", PASS),
        (1000, "1%", FAIL),
        (1000, "4%", PASS),
        (0, "0%", INCONCLUSIVE),
    ],
)
def test_a_budget_is_spent_by_share_and_length(
    tmp_path: Path, bad: int, at_most: str, outcome: Outcome
) -> None:
    # 2,300 requests in 23 s; at 99 % a window of 2 h allows 72 s of badness.
    rows = [f"2s 10ms {2300 - bad} ok 200"] + [f"5s 10ms {bad} error 503"] * bool(bad)
    record = built(calm("at every count outcome status\n" + "\n".join(rows)), tmp_path)
    asked = slo(window=Duration.parse("2h"), traffic=Rate.parse("10/s"))
    check = line(Budget(slo="availability", at_most=Ratio.parse(at_most)))
    if at_most == "4%":
        asked = replace(asked, window=Duration.parse("8h"))
    found = claim(record, check, (asked,))
    assert found.finding.outcome is outcome, found.finding.reason
    spent = found.finding.numbers[0].value
    allowed = 72 if at_most != "4%" else 288
    assert spent == pytest.approx(bad / 2300 * 23 / allowed)
    assert "declared traffic" in found.finding.reason


def test_the_traffic_of_the_test_is_named_where_none_is_declared(tmp_path: Path) -> None:
    record = built(calm(GOOD), tmp_path)
    check = line(Budget(slo="availability", at_most=Ratio.parse("5%")))
    assert "none is declared" in claim(record, check, (slo(),)).finding.reason


# -- steady state


@pytest.mark.parametrize(
    ("table", "probe", "outcome"),
    [
        (GOOD, "0s 25s yes", PASS),
        (GOOD, "0s 3s yes\n3s 4s no\n4s 25s yes", FAIL),
        (GOOD, "0s 8s yes\n8s 25s no", PASS),
        (GOOD, "8s 25s yes", INCONCLUSIVE),
        ("at every count outcome status\n3s 10ms 300 error 503", "0s 25s yes", FAIL),
        ("at every count\n2s 100ms 50", "0s 25s yes", INCONCLUSIVE),
    ],
)  # fmt: skip
def test_the_steady_state_is_the_baselines(
    tmp_path: Path, table: str, probe: str, outcome: Outcome
) -> None:
    builder = faulted(table)
    builder.probe("gate", f"from to ok\n{probe}")
    found = claim(built(builder, tmp_path), line(SteadyState()), (slo(),), faults=("slow",))
    assert found.finding.outcome is outcome, found.finding.reason
    assert found.window == "baseline"


def test_one_slo_of_several_can_be_asked_for(tmp_path: Path) -> None:
    record = built(faulted(), tmp_path)
    asked = (slo("99.99%"), slo("99%", name="modest"))
    assert claim(record, line(SteadyState(slo="modest")), asked).finding.outcome is PASS
    assert claim(record, line(SteadyState()), asked).finding.outcome is INCONCLUSIVE


# -- self-healing

SPEECH = {"instance": {"name": "speech-1", "service": "speech"}}
KILL = replace(
    FAULT, name="kill", sense=Sense.GONE, size=None, tolerance=None, lasting=True, until=None,
    healed=9.0, target=SPEECH,
)  # fmt: skip


def killed(**change: Any) -> RecordBuilder:
    return faulted(GOOD, replace(KILL, **change))


def healing(builder: RecordBuilder, folder: Path, **fields: Any) -> Any:
    record = built(builder, folder)
    return claim(record, line(SelfHealing(**fields)), faults=("kill",)).finding


@pytest.mark.parametrize(
    ("change", "within", "outcome"),
    [
        ({}, None, PASS),
        ({}, "2s", PASS),
        ({}, "1.9s", FAIL),
        ({"healed": None, "until": 24.0}, None, FAIL),
        ({"healed": None, "until": 24.0}, "10s", FAIL),
        ({"healed": None, "until": 24.0}, "30s", INCONCLUSIVE),
        ({"healed": None, "until": 24.0, "outcome": "absent"}, None, PASS),
        ({"healed": None}, None, INCONCLUSIVE),
        ({"healed": None}, "5s", FAIL),
    ],
)
def test_what_was_killed_must_come_back_by_itself(
    tmp_path: Path, change: dict[str, Any], within: str | None, outcome: Outcome
) -> None:
    limit = None if within is None else Duration.parse(within)
    found = healing(killed(**change), tmp_path, service="speech", within=limit)
    assert found.outcome is outcome, found.reason


@pytest.mark.parametrize(
    ("fields", "outcome"),
    [
        ({}, PASS),
        ({"service": "speech"}, PASS),
        ({"instance": "speech-1"}, PASS),
        ({"service": "cache"}, INCONCLUSIVE),
        ({"instance": "speech-2"}, INCONCLUSIVE),
    ],
)
def test_healing_is_about_what_the_line_names(
    tmp_path: Path, fields: dict[str, Any], outcome: Outcome
) -> None:
    assert healing(killed(), tmp_path, **fields).outcome is outcome


def test_the_healer_and_its_verification_are_named(tmp_path: Path) -> None:
    builder = killed()
    builder.system(8.0, "action", instance="speech-1", source="controller", event="restarted")
    builder.system(9.5, "verified", instance="speech-1", source="controller")
    found = healing(builder, tmp_path)
    assert "healed by controller (restarted)" in found.reason
    assert "verified at 9.5 s" in found.reason
    assert not found.notes


@pytest.mark.parametrize(
    ("at", "instance"), [(6.0, "speech-1"), (8.0, "speech-2"), (9.5, "speech-1")]
)
def test_an_action_at_another_time_or_place_healed_nothing(
    tmp_path: Path, at: float, instance: str
) -> None:
    builder = killed()
    builder.system(at, "action", instance=instance, source="controller")
    found = healing(builder, tmp_path)
    assert "by controller" not in found.reason
    assert "not verified" in found.reason
    assert found.notes


# -- circuit breaker

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
        (OPENS + TRIES, (*TOLD, (20.0, "open")), 5, "said it opened at 20 s"),
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


# -- alerts


def alerts(folder: Path, table: str, *, long: str = "1h", short: str | None = "5m") -> Any:
    alert = BurnRateAlert(
        name="page",
        severity="critical",
        threshold=Fraction(144, 10),
        long=Duration.parse(long),
        short=None if short is None else Duration.parse(short),
    )
    asked = slo(alerts=(alert,))
    record = built(calm(table), folder)
    return verdict(record, line(ServiceLevel(slo="availability")), objectives=(asked,)).measures[
        "alerts"
    ]


def test_an_alert_fires_once_both_windows_burn(tmp_path: Path) -> None:
    table = "at every count outcome status\n2s 10ms 800 ok 200\n10s 10ms 1500 error 503"
    found = alerts(tmp_path, table, long="10s", short="1s")
    # 14.4 % of the last 10 s (8 s + x of them): (x) / (8 + x) ≥ 0.144, x ≥ 1.35 s
    assert found[0]["at_s"] == pytest.approx(9.35, abs=0.11)
    assert found[0]["note"] == ""
    assert (found[0]["alert"], found[0]["severity"]) == ("page", "critical")


def test_windows_longer_than_the_run_are_rescaled_and_named(tmp_path: Path) -> None:
    table = "at every count outcome status\n2s 10ms 800 ok 200\n10s 10ms 1500 error 503"
    found = alerts(tmp_path, table)
    assert "1 h → 23 s" in found[0]["note"]
    assert "5 min → 1.916 s" in found[0]["note"]


@pytest.mark.parametrize("short", [None, "1s"])
def test_no_alert_fires_without_enough_badness(tmp_path: Path, short: str | None) -> None:
    table = "at every count outcome status\n2s 10ms 2280 ok 200\n10s 200ms 10 error 503"
    assert alerts(tmp_path, table, long="10s", short=short) == []
