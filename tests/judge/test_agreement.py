"""A probe that is good while every request through the same door fails shows nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sloproof.contracts import Duration, Outcome
from sloproof.judge.agreement import outages
from sloproof.judge.checks.recovery import RecoveryTime
from sloproof.judge.requests import read_requests
from sloproof.model.target import Entry, Target, TargetProbe
from tests.judge.cases import built, calm, faulted, line, recovery_objective, verdict

PASS, INCONCLUSIVE = Outcome.PASS, Outcome.INCONCLUSIVE
DOOR = "http://127.0.0.1:8080"
FAILING = "at every count outcome\n0s 10ms 720 ok\n7.2s 10ms {failed} error\n12s 10ms 1300 ok"
WELL = "0s 26s 100ms yes"
ILL_FOR_A_SECOND = "0s 8s 100ms yes\n8s 9s 100ms no\n9s 26s 100ms yes"
TWO_ROWS = "3s 10ms 25 timeout\n2s 10ms 25 error\n2.5s 10ms 1 ok"


def target(kind: str = "http", **params: Any) -> Target:
    probe = TargetProbe(name="gate", kind=kind, params=params, every=Duration.parse("100ms"))
    return Target(
        name="demo",
        origin="",
        folder=".",
        platform="local",
        entry=Entry(url=DOOR),
        probes=(probe,),
    )


@pytest.mark.parametrize(
    ("where", "probed", "failed", "outcome"),
    [
        (target(url=f"{DOOR}/health"), WELL, 400, INCONCLUSIVE),
        # It saw the outage, at least in part.
        (target(url=f"{DOOR}/health"), ILL_FOR_A_SECOND, 400, PASS),
        # Too few failed in a row to be an outage.
        (target(url=f"{DOOR}/health"), WELL, 19, PASS),
        # It asks at another door, or does not ask at all what the load asks.
        (target(url="http://127.0.0.1:9090/health"), WELL, 400, PASS),
        (target("tcp", host="127.0.0.1", port=8080), WELL, 400, PASS),
    ],
)
def test_two_ways_through_one_door_must_agree(
    tmp_path: Path, where: Target, probed: str, failed: int, outcome: Outcome
) -> None:
    builder = faulted(FAILING.format(failed=failed))
    builder.probe("gate", f"from to every ok\n{probed}")
    found = verdict(
        built(builder, tmp_path),
        line(RecoveryTime(objective="back")),
        objectives=(recovery_objective("20s"),),
        faults=("slow",),
        target=where,
    )
    assert found.outcome is outcome, found.sentence
    (claim,) = found.claims
    told = "does not see what users meet" in claim.finding.reason
    assert told is (outcome is INCONCLUSIVE)


@pytest.mark.parametrize(
    ("table", "rows"),
    [
        ("2s 10ms 100 ok", []),
        ("2s 10ms 30 error", [(2.0, 2.29, 30)]),
        ("2s 10ms 19 error", []),
        ("2s 10ms 30 error\n2.15s 10ms 1 ok", []),  # one good one in between
        (TWO_ROWS, [(2.0, 2.24, 25), (3.0, 3.24, 25)]),
    ],
)
def test_an_outage_is_a_row_of_requests_that_all_failed(
    tmp_path: Path, table: str, rows: list[tuple[float, float, int]]
) -> None:
    record = built(calm(f"at every count outcome\n{table}"), tmp_path)
    found = [
        (begin / 1e9, end / 1e9, count) for begin, end, count in outages(read_requests(record))
    ]
    assert found == rows


UNSERVED = "at every count took outcome\n{}"
SLOW_FAULT = "7s 10ms 500 810ms {}\n"


@pytest.mark.parametrize(
    ("before", "during", "after", "words"),
    [
        ("ok", "error", "error", "nobody was served at the run's end"),
        ("error", "ok", "ok", "nobody was served in all of the baseline"),
        ("ok", "error", "ok", ""),
    ],
)
def test_a_service_that_serves_nobody_has_not_recovered(
    tmp_path: Path, before: str, during: str, after: str, words: str
) -> None:
    """Whatever a probe at another door says of it."""
    rows = f"0s 10ms 700 10ms {before}\n{SLOW_FAULT.format(during)}12s 10ms 1300 10ms {after}"
    builder = faulted(UNSERVED.format(rows))
    builder.probe("gate", f"from to every ok\n{WELL}")
    found = verdict(
        built(builder, tmp_path),
        line(RecoveryTime(objective="back")),
        objectives=(recovery_objective("20s"),),
        faults=("slow",),
        target=target("tcp", host="127.0.0.1", port=8080),
    )
    assert found.outcome is (INCONCLUSIVE if words else PASS), found.sentence
    assert words in found.claims[0].finding.reason
