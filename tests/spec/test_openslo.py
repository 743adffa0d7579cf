"""OpenSLO v1 as its specification has it: what is honoured, and in which form."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path

import pytest

from sloproof.contracts import Duration, Rate, Ratio
from sloproof.errors import InvalidInput
from sloproof.spec import load_objectives
from sloproof.spec.objectives import (
    Matcher,
    QuantileIndicator,
    RatioIndicator,
    SignalIndicator,
    Slo,
)
from tests.spec.projects import write
from tests.spec.shop_files import SLOS


def slo(folder: Path, name: str, changes: Mapping[str, str]) -> Slo:
    text = SLOS
    for before, after in changes.items():
        assert before in text
        text = text.replace(before, after, 1)
    found = load_objectives([write(folder / "slo" / "shop.yaml", text)], project=folder)[name]
    assert isinstance(found, Slo)
    return found


def availability(folder: Path, **changes: str) -> Slo:
    return slo(folder, "shop-availability", changes)


def test_a_ratio_counts_what_is_good_among_all(tmp_path: Path) -> None:
    found = availability(tmp_path)
    total = Matcher(method="POST", path="/orders/*")
    assert isinstance(found.indicator, RatioIndicator)
    assert found.indicator.total == total
    assert found.indicator.good == Matcher(
        method="POST", path="/orders/*", status=("2xx",), within=Duration.parse("2s")
    )
    assert found.objectives[0].target == Ratio(Fraction(99, 100))
    assert found.traffic == Rate(Fraction(40))


def test_a_quantile_is_bounded_in_seconds(tmp_path: Path) -> None:
    found = slo(tmp_path, "shop-latency", {})
    assert found.indicator == QuantileIndicator(
        total=Matcher(method="POST", path="/orders/*"),
        quantile=Ratio(Fraction(99, 100)),
        latency_of="good",
    )
    assert (found.objectives[0].op, found.objectives[0].limit) == ("lte", Fraction(1, 2))


def test_a_signal_is_compared_sample_by_sample(tmp_path: Path) -> None:
    found = slo(
        tmp_path,
        "shop-latency",
        {
            "{method: POST, path: /orders/*, quantile: 99%, latencyOf: good}": "{signal: cpu}",
            "{op: lte, value: 0.5}": "{op: lt, value: 0.8, target: 0.95}",
        },
    )
    assert found.indicator == SignalIndicator(signal="cpu")
    assert found.objectives[0].limit == Fraction(4, 5)
    assert found.objectives[0].target == Ratio(Fraction(19, 20))


@pytest.mark.parametrize(
    ("written", "target"),
    [
        ("target: 0.999", Fraction(999, 1000)),
        ("targetPercent: 99.9", Fraction(999, 1000)),
        ("targetPercent: 99", Fraction(99, 100)),
        ("target: 0.990", Fraction(99, 100)),
    ],
)
def test_a_target_is_exactly_what_was_written(
    tmp_path: Path, written: str, target: Fraction
) -> None:
    found = slo(tmp_path, "shop-availability", {"target: 0.99": written})
    assert found.objectives[0].target == Ratio(target)


@pytest.mark.parametrize(
    ("window", "days"),
    [
        ("duration: 30d, isRolling: true", 30),
        ("duration: 4w", 28),
        ("duration: 48h, isRolling: true", 2),
        ("duration: 2880m, isRolling: true", 2),
        ("duration: 1M, calendar: {startTime: 2026-01-01 00:00:00, timeZone: Europe/Berlin}", 28),
        ("duration: 1Q, calendar: {startTime: 2026-01-01 00:00:00, timeZone: UTC}", 90),
        (
            "duration: 1Y, calendar: {startTime: 2026-01-01 00:00:00, timeZone: UTC}",
            365,
        ),
    ],
)
def test_a_window_has_one_length(tmp_path: Path, window: str, days: int) -> None:
    found = slo(tmp_path, "shop-availability", {"duration: 30d, isRolling: true": window})
    assert found.window == Duration(days * 86_400_000_000_000)


@pytest.mark.parametrize(
    "policies",
    [
        pytest.param("[{alertPolicyRef: fast-burn}]", id="by reference"),
        pytest.param("[fast-burn]", id="by name"),
        pytest.param(
            "[{kind: AlertPolicy, metadata: {name: fast-burn},"
            " spec: {alertWhenBreaching: true, conditions: [{conditionRef: fast}]}}]",
            id="in place",
        ),
        pytest.param(
            "[{kind: AlertPolicy, metadata: {name: fast-burn}, spec: {conditions: [{"
            "kind: AlertCondition, metadata: {name: c, annotations: {sloproof/short-window: 5m}},"
            " spec: {severity: page, condition: {threshold: 14.4, lookbackWindow: 1h}}}]}}]",
            id="all in place",
        ),
    ],
)
def test_an_alert_fires_when_both_windows_burn(tmp_path: Path, policies: str) -> None:
    found = slo(tmp_path, "shop-availability", {"[{alertPolicyRef: fast-burn}]": policies})
    (alert,) = found.alerts
    assert (alert.name, alert.severity) == ("fast-burn", "page")
    assert alert.threshold == Fraction(72, 5)
    assert (alert.long, alert.short) == (Duration.parse("1h"), Duration.parse("5m"))


def test_a_notification_target_must_exist(tmp_path: Path) -> None:
    change = {"notificationTargets: []": "notificationTargets: [{targetRef: on-call}]"}
    with pytest.raises(InvalidInput, match='no AlertNotificationTarget is called "on-call"'):
        slo(tmp_path, "shop-availability", change)
    target = (
        "---\napiVersion: openslo/v1\nkind: AlertNotificationTarget\n"
        "metadata: {name: on-call}\nspec: {target: slack}\n"
    )
    write(tmp_path / "slo" / "target.yaml", target)
    shop = write(tmp_path / "slo" / "shop.yaml", SLOS.replace(*next(iter(change.items()))))
    assert load_objectives([shop.parent], project=tmp_path)


def test_a_data_source_gives_the_type(tmp_path: Path) -> None:
    source = (
        "---\napiVersion: openslo/v1\nkind: DataSource\n"
        "metadata: {name: record}\nspec: {type: sloproof, connectionDetails: {}}\n"
    )
    text = SLOS.replace("type: sloproof, spec: {status", "metricSourceRef: record, spec: {status")
    assert load_objectives([write(tmp_path / "slo.yaml", text + source)], project=tmp_path)


def test_a_document_may_be_a_list(tmp_path: Path) -> None:
    items = [each.strip().splitlines() for each in SLOS.split("---\n")]
    text = "\n".join("- " + "\n  ".join(lines) for lines in items)
    assert len(load_objectives([write(tmp_path / "slo.yaml", text)], project=tmp_path)) == 2


def test_a_mistake_in_a_list_has_its_line(tmp_path: Path) -> None:
    text = "- apiVersion: openslo/v1\n  kind: SLO\n  metadata: {name: a}\n  speck: {}\n"
    with pytest.raises(InvalidInput, match=r"slo.yaml:4: speck: unknown key"):
        load_objectives([write(tmp_path / "slo.yaml", text)], project=tmp_path)


@pytest.mark.parametrize(
    ("metric", "reason"),
    [
        pytest.param("rawType: success, raw: {metricSource: {type: sloproof, spec: {}}}",
                     "a ready ratio hides its counts", id="raw"),
        pytest.param("counter: true, total: {metricSource: {type: sloproof, spec: {}}}",
                     "good: is required", id="without good"),
        pytest.param("counter: true, good: {metricSource: {spec: {}}},"
                     " total: {metricSource: {type: sloproof, spec: {}}}",
                     "needs a type or a metricSourceRef", id="without a type"),
    ],
)  # fmt: skip
def test_a_ratio_that_proves_nothing_is_refused(tmp_path: Path, metric: str, reason: str) -> None:
    text = (
        "apiVersion: openslo/v1\nkind: SLO\nmetadata: {name: a}\nspec:\n  service: s\n"
        f"  indicator: {{spec: {{ratioMetric: {{{metric}}}}}}}\n"
        "  timeWindow: [{duration: 30d}]\n  budgetingMethod: Occurrences\n"
        "  objectives: [{target: 0.99}]\n"
    )
    with pytest.raises(InvalidInput, match=reason):
        load_objectives([write(tmp_path / "slo.yaml", text)], project=tmp_path)


def test_this_repository_keeps_its_own_rules() -> None:
    root = Path(__file__).parents[2]
    objectives = load_objectives([root / "slo"], project=root)
    assert {"dialogue-availability", "dialogue-latency", "dialogue-recovery"} <= set(objectives)
