"""What `plan` says beforehand of claims that can't be decided."""

from __future__ import annotations

from typing import Any

import pytest

from sloproof.contracts import Duration, Rate, Ratio, Window
from sloproof.judge import adequacy, planned_windows
from sloproof.judge.adequacy import planned_arrivals
from sloproof.judge.checks.circuit_breaker import CircuitBreaker
from sloproof.judge.checks.recovery import RecoveryTime
from sloproof.judge.checks.slo import ServiceLevel
from sloproof.model.target import Entry, Target, TargetProbe
from sloproof.spec.experiment import Experiment, Load, MixPart, Segment, Spike
from sloproof.spec.objectives import Objectives
from tests.judge.cases import asked, line, load, planned, recovery_objective, slo

SLO = ServiceLevel(slo="availability")
SLOW = planned("slow", at=Duration.parse("10s"), for_=Duration.parse("12s"))


def seconds(number: float) -> int:
    return round(number * 1e9)


def experiment(*lines: Any, **more: Any) -> Experiment:
    return asked(*lines, **more).experiment


def test_windows_are_those_of_the_plan() -> None:
    found = planned_windows(experiment(faults=(SLOW,)))
    assert {name: (w.begin, w.end) for name, w in found.items()} == {
        "run": (0, seconds(27)),
        "baseline": (0, seconds(5)),
        "faults": (seconds(5), seconds(22)),
        "recovery": (seconds(22), seconds(27)),
        "fault:slow": (seconds(10), seconds(22)),
    }


def arrivals(*segments: Segment) -> Experiment:
    mix = (MixPart(share=Ratio.parse("100%"), profile="demo"),)
    return experiment(load=Load(mix=mix, arrivals=segments))


def rate(text: str) -> Rate:
    return Rate.parse(text)


TEN = Duration.parse("10s")
SPIKE = Spike(to=Rate.parse("100/s"), at=TEN, for_=TEN)


@pytest.mark.parametrize(
    ("segments", "begin", "end", "expected"),
    [
        ([Segment(rate=rate("40/s"))], 0, 10, 400),
        ([Segment(rate=rate("40/s"))], 5, 10, 200),
        ([Segment(rate=rate("40/s"), for_=TEN)], 5, 20, 200),
        ([Segment(source=rate("0/s"), to=rate("100/s"), for_=TEN)], 0, 10, 500),
        ([Segment(source=rate("0/s"), to=rate("100/s"), for_=TEN)], 5, 10, 375),
        ([Segment(rate=rate("10/s"), for_=TEN), Segment(rate=rate("20/s"))], 5, 15, 150),
        ([Segment(steps=(rate("10/s"), rate("30/s")), each=TEN)], 5, 20, 350),
        ([Segment(rate=rate("10/s"), spike=SPIKE)], 0, 30, 1200),
    ],
)
def test_arrivals_are_the_area_under_the_plan(
    segments: list[Segment], begin: int, end: int, expected: int
) -> None:
    window = Window("w", seconds(begin), seconds(end))
    assert planned_arrivals(arrivals(*segments), window) == expected


@pytest.mark.parametrize(
    ("target", "general", "faults", "during", "enough"),
    [
        ("99%", None, (), "run", True),
        ("99%", None, (SLOW,), "run", True),
        ("99.9%", None, (SLOW,), "run", True),
        ("99.99%", None, (SLOW,), "run", False),
        ("99.9%", None, (), "run", False),
        ("99.9%", None, (SLOW,), "baseline", False),
        ("99%", None, (SLOW,), "fault:slow", True),
        ("99%", True, (SLOW,), "run", False),
        ("99%", True, (SLOW,), "baseline", True),
    ],
)
def test_a_load_is_enough_or_not(
    target: str, general: bool | None, faults: tuple[Any, ...], during: str, enough: bool
) -> None:
    asked_for = line(SLO, general=general, during=during)
    found = adequacy(experiment(asked_for, faults=faults), {"availability": slo(target)})
    assert (found[0].reason == "") is enough, found[0].reason


def test_the_load_that_would_do_is_named() -> None:
    found = adequacy(
        experiment(line(SLO), faults=(SLOW,), load=load("10/s")), {"availability": slo("99.9%")}
    )
    assert found[0].expected == 270
    assert found[0].needed == 1000
    assert "38/s throughout would do" in str(found[0])


def test_arrivals_may_be_given() -> None:
    known: Objectives = {"availability": slo("99.9%")}
    found = adequacy(experiment(line(SLO)), known, expected_arrivals={"run": 2995})
    assert found[0].reason == ""


TARGET = Target(
    name="demo",
    origin="t.yaml",
    folder=".",
    platform="local",
    entry=Entry(url="http://localhost"),
    probes=(TargetProbe(name="other", kind="http", params={}),),
)


@pytest.mark.parametrize(
    ("check", "more", "reason"),
    [
        (SLO, {"load": None}, "has no load"),
        (CircuitBreaker(source="a", to="b"), {}, "declares no traces"),
        (RecoveryTime(objective="back"), {}, "no probe named gate"),
    ],
)
def test_a_missing_source_is_told_beforehand(check: Any, more: dict[str, Any], reason: str) -> None:
    known: Objectives = {"availability": slo(), "back": recovery_objective()}
    found = adequacy(experiment(line(check), **more), known, TARGET)
    assert reason in found[0].reason
