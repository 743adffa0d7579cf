"""Budget, steady state and self-healing over hand-written records."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sloproof.contracts import Duration, Outcome, Rate, Ratio, Sense
from sloproof.judge.checks.budget import Budget
from sloproof.judge.checks.self_healing import SelfHealing
from sloproof.judge.checks.steady_state import SteadyState
from sloproof.testing.record import RecordBuilder
from tests.judge.cases import FAULT, GOOD, built, calm, claim, faulted, line, slo

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
    assert ("at most", float(Ratio.parse(at_most))) in [
        (number.name, number.value) for number in found.finding.numbers
    ]


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
    ("change", "within", "outcome"),
    [
        ({"vanishes": 9.0, "outcome": "absent", "healed": 9.2}, "3s", PASS),
        ({"vanishes": 9.0, "outcome": "absent", "healed": 9.2}, "2s", FAIL),
        ({}, "3s", FAIL),
        ({}, "6s", INCONCLUSIVE),
    ],
)
def test_a_pause_is_healed_before_the_harness_ends_it_or_not_at_all(
    tmp_path: Path, change: dict[str, Any], within: str, outcome: Outcome
) -> None:
    pause = {"lasting": False, "sense": Sense.STOPPED, "until": 12.0, "healed": None}
    limit = Duration.parse(within)
    found = healing(killed(**{**pause, **change}), tmp_path, service="speech", within=limit)
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
    assert "verified 2.5 s after the blow" in found.reason
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
