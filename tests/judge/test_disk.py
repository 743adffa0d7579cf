"""A full or failing disk over hand-written records: served, refused, failed, served again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sloproof.contracts import Duration, Finding, Outcome, Ratio, Sense
from sloproof.judge.checks.disk import Disk
from sloproof.testing.record import WrittenFault
from tests.judge.cases import built, claim, faulted, line

PASS, FAIL, INCONCLUSIVE = Outcome.PASS, Outcome.FAIL, Outcome.INCONCLUSIVE
MIB = 1 << 20
FULL = WrittenFault(
    name="full",
    kind="disk_fill",
    at=7,
    until=12,
    sense=Sense.FREE,
    size=1.0 * MIB,
    tolerance=1.0 * MIB,
    where=("data", "store-1"),
)
"""A volume that is full from 7 s to 12 s, 5 s to 10 s after warm-up."""
HEAD = "at every count took outcome status path\n"
BEFORE = "0s 10ms 700 10ms ok 200 /\n"
SERVED = "7s 20ms 250 10ms ok 200 /read\n"
REFUSED = "7s 20ms 250 10ms error 503 /write\n"
AFTER = "12s 10ms 1300 10ms ok 200 /\n"
REFUSING = HEAD + BEFORE + SERVED + REFUSED + AFTER


def found(folder: Path, requests: str, fault: WrittenFault = FULL, **fields: Any) -> Finding:
    record = built(faulted(HEAD + requests, fault), folder)
    check = line(Disk(**{"volume": "data", **fields}))
    return claim(record, check, faults=("full",)).finding


@pytest.mark.parametrize(
    ("requests", "fields", "outcome", "reason"),
    [
        (SERVED + REFUSED, {}, PASS, "247 of 494 requests were served, 247 refused"),
        (SERVED + REFUSED, {"refuses": ("5xx",)}, PASS, "none failed otherwise"),
        (SERVED + REFUSED, {"refuses": ("507",)}, FAIL, "others failed: 247 with status 503"),
        (SERVED + REFUSED, {"refuses": ()}, FAIL, "with status 503"),
        (SERVED, {}, INCONCLUSIVE, "none refused: nobody met it"),
        (SERVED, {"refuses": ()}, PASS, "0 refused, and none failed otherwise"),
        ("", {}, INCONCLUSIVE, "no request was due"),
        (SERVED + REFUSED, {"serves": Ratio.parse("50%")}, PASS, ""),
        (SERVED + REFUSED, {"serves": Ratio.parse("60%")}, FAIL, "50%, not 60%"),
        (
            SERVED + REFUSED + "8s 10ms 3 1s timeout 0 /write\n",
            {},
            FAIL,
            "others failed: 3 without an answer in time",
        ),
        (SERVED + REFUSED + "8s 10ms 1 9ms error 0 /write\n", {}, FAIL, "1 without an answer"),
        (SERVED + REFUSED + "8s 10ms 1 9ms no_slot 0 /write\n", {}, FAIL, "found no free slot"),
        (SERVED + REFUSED + "8s 10ms 1 9ms error 404 /write\n", {}, FAIL, "with status 404"),
    ],
)
def test_each_request_meanwhile_is_served_or_refused(
    tmp_path: Path, requests: str, fields: dict[str, Any], outcome: Outcome, reason: str
) -> None:
    finding = found(tmp_path, BEFORE + requests + AFTER, **fields)
    assert finding.outcome is outcome, finding.reason
    assert reason in finding.reason


@pytest.mark.parametrize(
    ("after", "within", "outcome", "reason"),
    [
        (AFTER, "100ms", PASS, "was in force"),
        ("12s 10ms 200 10ms error 503 /\n14s 10ms 1100 10ms ok 200 /\n", "3s", PASS, ""),
        (
            "12s 10ms 200 10ms error 503 /\n14s 10ms 1100 10ms ok 200 /\n",
            "1s",
            FAIL,
            "served again between 1.9",
        ),
        ("12s 10ms 1300 10ms error 503 /\n", "3s", FAIL, "requests still failed (at most 3s)"),
        ("12s 10ms 1300 10ms error 503 /\n", "1m", INCONCLUSIVE, "fewer than 20 good answers"),
        ("12s 10ms 10 10ms ok 200 /\n", "3s", INCONCLUSIVE, "fewer than 20 good answers"),
        (AFTER + "20s 10ms 1 10ms error 500 /\n", "3s", FAIL, "served again between 7.9"),
        # The end itself is known to within the witness's interval: one bound keeps it, one doesn't.
        ("12s 10ms 100 10ms error 503 /\n13s 10ms 1200 10ms ok 200 /\n", "1s", INCONCLUSIVE, ""),
    ],
)
def test_all_are_served_again_in_time(
    tmp_path: Path, after: str, within: str, outcome: Outcome, reason: str
) -> None:
    requests = BEFORE + SERVED + REFUSED + after
    finding = found(tmp_path, requests, recovers_within=Duration.parse(within))
    assert finding.outcome is outcome, finding.reason
    assert reason in finding.reason


def test_a_fault_elsewhere_is_none_of_this_volume(tmp_path: Path) -> None:
    finding = found(tmp_path, BEFORE + SERVED + REFUSED + AFTER, volume="logs")
    assert finding.outcome is INCONCLUSIVE
    assert finding.reason == "nothing was injected on the volume logs"


def test_a_fault_that_nobody_ended_lets_nothing_recover(tmp_path: Path) -> None:
    from dataclasses import replace

    forever = replace(FULL, until=None)
    finding = found(tmp_path, BEFORE + SERVED + REFUSED + AFTER, forever)
    assert finding.outcome is INCONCLUSIVE
    assert "was never seen to end" in finding.reason


def test_the_figures_behind_it_are_there(tmp_path: Path) -> None:
    finding = found(tmp_path, BEFORE + SERVED + REFUSED + AFTER)
    figures = {number.name: number.value for number in finding.numbers}
    assert (figures["served"], figures["refused"], figures["failed"]) == (247, 247, 0)
    assert figures["recovered after"] == pytest.approx(0.01, abs=0.12)
