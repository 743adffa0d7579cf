"""The check `slo` over hand-written requests."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from sloproof.contracts import Duration, Outcome, Ratio
from sloproof.judge.checks.slo import ServiceLevel
from sloproof.spec.objectives import (
    Matcher,
    Objective,
    RatioIndicator,
    SignalIndicator,
    Slo,
)
from sloproof.testing.record import RecordBuilder, WrittenFault
from tests.judge.cases import (
    GOOD,
    MoreLoad,
    built,
    calm,
    claim,
    faulted,
    latency_slo,
    line,
    planned,
    slo,
)

PASS, FAIL, INCONCLUSIVE = Outcome.PASS, Outcome.FAIL, Outcome.INCONCLUSIVE
AVAILABILITY = ServiceLevel(slo="availability")
LATENCY = ServiceLevel(slo="latency")


def requests(good: int, bad: int, words: str = "error 503", took: str = "10ms") -> str:
    rows = ["at every count took outcome status", f"3s 1ms {good} {took} ok 200"]
    if bad:
        rows.append(f"3s 1ms {bad} 10ms {words}")
    return "\n".join(rows)


@pytest.mark.parametrize(
    ("target", "good", "bad", "outcome"),
    [
        ("99%", 1000, 0, PASS),
        ("99%", 990, 10, PASS),
        ("99%", 989, 11, FAIL),
        ("99%", 99, 1, PASS),
        ("99%", 98, 2, FAIL),
        ("99%", 99, 0, INCONCLUSIVE),
        ("99%", 98, 1, INCONCLUSIVE),
        ("99.9%", 999, 1, PASS),
        ("99.9%", 500, 0, INCONCLUSIVE),
        ("99.9%", 0, 50, FAIL),
        ("100%", 1, 0, PASS),
        ("100%", 999, 1, FAIL),
        ("0%", 1, 1, PASS),
    ],
)
def test_in_this_run_all_requests_are_counted(
    tmp_path: Path, target: str, good: int, bad: int, outcome: Outcome
) -> None:
    record = built(calm(requests(good, bad)), tmp_path)
    found = claim(record, line(AVAILABILITY, general=False), (slo(target),))
    assert found.finding.outcome is outcome, found.finding.reason


@pytest.mark.parametrize(
    ("target", "good", "bad", "outcome"),
    [
        ("99%", 299, 0, PASS),
        ("99%", 298, 0, INCONCLUSIVE),
        ("99%", 1000, 4, PASS),
        ("99%", 1000, 10, INCONCLUSIVE),
        ("99%", 980, 20, FAIL),
        ("99.9%", 2995, 0, PASS),
        ("99.9%", 2994, 0, INCONCLUSIVE),
        ("90%", 80, 20, FAIL),
    ],
)
def test_in_general_bounds_decide(
    tmp_path: Path, target: str, good: int, bad: int, outcome: Outcome
) -> None:
    record = built(calm(requests(good, bad)), tmp_path)
    found = claim(record, line(AVAILABILITY), (slo(target),))
    assert found.finding.outcome is outcome, found.finding.reason
    number = found.finding.numbers[0]
    assert number.low is not None
    assert number.high is not None
    assert number.low <= (number.value or 0) <= number.high


def test_an_undecided_general_claim_says_how_many_samples_would_do(tmp_path: Path) -> None:
    record = built(calm(requests(1000, 5)), tmp_path)
    found = claim(record, line(AVAILABILITY), (slo("99.2%"),))
    assert found.finding.outcome is INCONCLUSIVE
    assert "would do" in found.finding.reason


def test_a_general_claim_across_faults_needs_a_suite(tmp_path: Path) -> None:
    record = built(faulted(), tmp_path)
    found = claim(record, line(AVAILABILITY, general=True), (slo(),), faults=("slow",))
    assert found.finding.outcome is INCONCLUSIVE
    assert "suite" in found.finding.reason


def test_a_general_claim_about_the_baseline_of_a_faulted_run_is_one(tmp_path: Path) -> None:
    record = built(faulted(), tmp_path)
    asked = line(AVAILABILITY, general=True, during="baseline")
    found = claim(record, asked, (slo(),), faults=("slow",))
    assert found.finding.outcome is PASS
    assert found.finding.numbers[0].low is not None


def test_where_a_fault_was_in_force_the_claim_is_about_this_run(tmp_path: Path) -> None:
    record = built(faulted(), tmp_path)
    found = claim(record, line(AVAILABILITY), (slo(),), faults=("slow",))
    assert found.finding.outcome is PASS
    assert found.finding.numbers[0].low is None


@pytest.mark.parametrize(
    ("words", "is_bad"),
    [
        ("ok 200", False),
        ("ok 204", False),
        ("ok 302", True),
        ("error 503", True),
        ("error 200", True),
        ("error 0", True),
        ("timeout 0", True),
        ("no_slot 0", True),
        ("unfinished 0", True),
    ],
)
def test_what_counts_as_bad(tmp_path: Path, words: str, is_bad: bool) -> None:
    record = built(calm(requests(0, 200, words)), tmp_path)
    found = claim(record, line(AVAILABILITY, general=False), (slo(),))
    assert found.finding.outcome is (FAIL if is_bad else PASS)


@pytest.mark.parametrize(
    ("took", "within", "outcome"),
    [("100ms", "100ms", PASS), ("101ms", "100ms", FAIL), ("6s", "5s", FAIL), ("6s", "6s", PASS)],
)
def test_within_counts_from_the_intended_time(
    tmp_path: Path, took: str, within: str, outcome: Outcome
) -> None:
    good = Matcher(status=("2xx",), within=Duration.parse(within))
    record = built(calm(requests(200, 0, took=took)), tmp_path)
    asked = slo(indicator=RatioIndicator(good=good, total=Matcher()))
    found = claim(record, line(AVAILABILITY, general=False), (asked,))
    assert found.finding.outcome is outcome


def test_no_request_that_counts_is_no_verdict(tmp_path: Path) -> None:
    indicator = RatioIndicator(good=Matcher(), total=Matcher(method="PATCH"))
    record = built(calm(requests(200, 0)), tmp_path)
    found = claim(record, line(AVAILABILITY), (slo(indicator=indicator),))
    assert found.finding.outcome is INCONCLUSIVE
    assert found.finding.numbers[0].value is None


def test_warm_up_enters_no_measure(tmp_path: Path) -> None:
    table = "at every count outcome status\n 0s 1ms 2000 error 503\n 2s 1ms 2000 ok 200"
    found = claim(built(calm(table), tmp_path), line(AVAILABILITY), (slo(),))
    assert found.finding.outcome is PASS


@pytest.mark.parametrize(
    ("during", "total"),
    [("baseline", 500), ("faults", 500), ("recovery", 1300), ("run", 2300), ("fault:slow", 495)],
)
def test_windows_are_half_open_by_intended_time(tmp_path: Path, during: str, total: int) -> None:
    fault = WrittenFault(name="slow", at=7, until=12, size=0.8, appears=7.0)
    record = built(faulted(GOOD, fault), tmp_path)
    found = claim(record, line(AVAILABILITY, during=during), (slo(),), faults=("slow",))
    numbers = {number.name: number.value for number in found.finding.numbers}
    assert found.window == during
    # A fault begins with the sample of 7.05 s that shows it, not with that sample's late answer.
    assert numbers["requests"] == pytest.approx(total, abs=6 if ":" in during else 0)


def test_a_window_that_the_run_never_had_is_no_verdict(tmp_path: Path) -> None:
    record = built(calm(GOOD), tmp_path)
    found = claim(record, line(AVAILABILITY, during="fault:slow"), (slo(),), faults=("slow",))
    assert found.finding.outcome is INCONCLUSIVE
    assert "no fault:slow" in found.finding.reason


def test_a_change_of_load_has_the_window_that_was_planned(tmp_path: Path) -> None:
    spike = planned("spike", fault=MoreLoad(), at=Duration.parse("4s"), for_=Duration.parse("3s"))
    record = built(calm(GOOD), tmp_path)
    found = claim(record, line(AVAILABILITY, during="fault:spike"), (slo(),), faults=(spike,))
    assert found.finding.outcome is PASS
    assert found.finding.numbers[1].value == 300


@pytest.mark.parametrize(
    ("quantile", "limit", "slow", "outcome"),
    [
        ("99%", "500ms", 10, PASS),
        ("99%", "500ms", 11, FAIL),
        ("50%", "10ms", 500, PASS),
        ("50%", "10ms", 501, FAIL),
        ("99.9%", "2s", 11, PASS),
    ],
)
def test_a_quantile_is_met_where_enough_requests_meet_its_limit(
    tmp_path: Path, quantile: str, limit: str, slow: int, outcome: Outcome
) -> None:
    table = f"at every count took\n 3s 1ms {1000 - slow} 10ms\n 3s 1ms {slow} 1s"
    record = built(calm(table), tmp_path)
    found = claim(record, line(LATENCY, general=False), (latency_slo(quantile, limit),))
    assert found.finding.outcome is outcome, found.finding.reason


@pytest.mark.parametrize("words", ["error 503", "timeout 0", "no_slot 0", "unfinished 0"])
def test_failures_are_infinitely_late(tmp_path: Path, words: str) -> None:
    record = built(calm(requests(980, 20, words)), tmp_path)
    found = claim(record, line(LATENCY, general=False), (latency_slo(limit="1h"),))
    assert found.finding.outcome is FAIL
    assert found.finding.numbers[0].value is None
    assert "unbounded" in found.finding.reason


def test_latency_of_good_leaves_failures_out_and_says_so(tmp_path: Path) -> None:
    record = built(calm(requests(980, 20)), tmp_path)
    asked = latency_slo(latency_of="good")
    found = claim(record, line(LATENCY, general=False), (asked,))
    assert found.finding.outcome is PASS
    assert found.finding.notes


def test_a_general_quantile_has_order_statistics_for_bounds(tmp_path: Path) -> None:
    rows = "\n".join(f"3s 1ms 1 {took}ms" for took in range(1, 1001))
    record = built(calm(f"at every count took\n{rows}"), tmp_path)
    found = claim(record, line(LATENCY), (latency_slo("90%", "920ms"),))
    number = found.finding.numbers[0]
    assert (number.value, number.low, number.high) == (0.9, 0.884, 0.916)
    assert found.finding.outcome is PASS


@pytest.mark.parametrize(
    ("tolerance", "outcome"),
    [
        ({}, FAIL),
        ({"target": Ratio.parse("95%")}, PASS),
        ({"target": Ratio.parse("98%")}, PASS),
        ({"limit": Duration.parse("1s")}, PASS),
    ],
)
def test_tolerance_relaxes_target_and_limit(
    tmp_path: Path, tolerance: dict[str, Any], outcome: Outcome
) -> None:
    table = "at every count took\n 3s 1ms 980 10ms\n 3s 1ms 20 1s"
    record = built(calm(table), tmp_path)
    asked = line(LATENCY, general=False, tolerance=tolerance)
    assert claim(record, asked, (latency_slo(),)).finding.outcome is outcome


def test_of_several_objectives_the_worst_counts(tmp_path: Path) -> None:
    objectives = tuple(Objective(target=Ratio.parse(target)) for target in ("90%", "99.5%"))
    record = built(calm(requests(990, 10)), tmp_path)
    found = claim(record, line(AVAILABILITY, general=False), (slo(objectives=objectives),))
    assert found.finding.outcome is FAIL
    assert "99.5%" in found.finding.reason
    assert "90%" not in found.finding.reason


def signal_slo(op: str, limit: str, target: str | None) -> Slo:
    objective = Objective(
        op=op,  # type: ignore[arg-type]
        limit=Fraction(limit),
        target=None if target is None else Ratio.parse(target),
    )
    return slo(name="cpu", indicator=SignalIndicator(signal="cpu"), objectives=(objective,))


@pytest.mark.parametrize(
    ("op", "limit", "target", "outcome"),
    [
        ("lt", "0.8", None, FAIL),
        ("lte", "0.9", None, PASS),
        ("lt", "0.8", "90%", PASS),
        ("lt", "0.8", "95%", FAIL),
        ("gte", "0.5", "100%", PASS),
        ("gt", "0.5", "100%", FAIL),
    ],
)
def test_a_signal_is_compared_sample_by_sample(
    tmp_path: Path, op: str, limit: str, target: str | None, outcome: Outcome
) -> None:
    builder = calm(GOOD)
    builder.signal("cpu", [(3 + n / 10, 0.5) for n in range(90)])
    builder.signal("cpu", [(13 + n / 10, 0.9) for n in range(10)])
    found = claim(
        built(builder, tmp_path), line(ServiceLevel(slo="cpu")), (signal_slo(op, limit, target),)
    )
    assert found.finding.outcome is outcome, found.finding.reason


def test_a_signal_that_is_not_a_number_meets_nothing(tmp_path: Path) -> None:
    builder = calm(GOOD)
    builder.signal("cpu", [(3, float("nan"))])
    asked = (signal_slo("lt", "1", None),)
    found = claim(built(builder, tmp_path), line(ServiceLevel(slo="cpu")), asked)
    assert found.finding.outcome is FAIL


@pytest.mark.parametrize("samples", [None, [(1.0, 0.5)]])
def test_a_signal_without_samples_is_no_verdict(
    tmp_path: Path, samples: list[tuple[float, float]] | None
) -> None:
    builder = calm(GOOD)
    if samples:
        builder.signal("cpu", samples)
    asked = (signal_slo("lt", "1", None),)
    found = claim(built(builder, tmp_path), line(ServiceLevel(slo="cpu")), asked)
    assert found.finding.outcome is INCONCLUSIVE


def test_without_requests_there_is_no_verdict(tmp_path: Path) -> None:
    builder = RecordBuilder()
    builder.phases(warmup=0, baseline=2, restore=25)
    found = claim(built(builder, tmp_path), line(AVAILABILITY), (slo(),), load=None)
    assert found.finding.outcome is INCONCLUSIVE
    assert "no requests" in found.finding.reason


def test_an_unknown_objective_is_no_verdict(tmp_path: Path) -> None:
    record = built(calm(GOOD), tmp_path)
    assert claim(record, line(AVAILABILITY), ()).finding.outcome is INCONCLUSIVE
