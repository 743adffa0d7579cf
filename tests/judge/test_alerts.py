"""Burn-rate alerts that would have fired."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from sloproof.contracts import Duration
from sloproof.judge.checks.slo import ServiceLevel
from sloproof.spec.objectives import BurnRateAlert
from tests.judge.cases import built, calm, line, slo, verdict


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
