"""Every built-in kind of check passes the check that extensions get, on records written by hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from sloproof.contracts import Check, Duration, Evidence, Finding, Number, Outcome, Ratio, Sense
from sloproof.extensions import Extensions
from sloproof.testing import (
    RecordBuilder,
    WrittenCopy,
    WrittenFault,
    WrittenLedger,
    check_check,
    evidence_of,
)
from tests.judge.cases import built, faulted, latency_slo, recovery_objective, slo
from tests.judge.test_circuit_breaker import CALL, OPENS, TOLD, TRIES
from tests.judge.test_disk import FULL, REFUSING
from tests.judge.test_reigns import KILLED, PRIMARY, PROMOTED, run
from tests.judge.test_store_checks import (
    BEFORE,
    LATE,
    PROMPT,
    backed_up,
    lagging,
    restored,
    shifted,
)

CHECKS: Mapping[str, Any] = Extensions.of(Path(__file__).parents[2]).checks
PASS, FAIL, INCONCLUSIVE = Outcome.PASS, Outcome.FAIL, Outcome.INCONCLUSIVE
OBJECTIVES = (slo(), latency_slo(limit="1s"), recovery_objective())
KILL = WrittenFault(
    name="kill", at=7, kind="pod_kill", sense=Sense.GONE, lasting=True, healed=9.0,
    target={"instance": {"name": "web-1", "service": "web"}},
)  # fmt: skip
BAD = """
    at     every  count  outcome  status
    0s     10ms   720    ok       200
    7.2s   10ms   400    error    503
    11.2s  10ms   1380   ok       200
"""
Write = Callable[[RecordBuilder], None]


def probed(rows: str) -> Write:
    return lambda builder: builder.probe("gate", f"from to every ok\n{rows}")


def breaking(calls: str) -> Write:
    def write(builder: RecordBuilder) -> None:
        builder.calls(CALL + calls)
        for at, state in TOLD:
            builder.system(
                at, "breaker", instance="d-1", event=f"breaker={state}", detail={"to": "s"}
            )

    return write


def keeping(*lost: int) -> Write:
    writes = "at count outcome\n2s 500 ack\n7s 20 open\n8s 500 ack"
    copies = (WrittenCopy(name="b", lacks=lost),)
    return lambda builder: builder.ledger(WrittenLedger(writes=writes, copies=copies))


def nothing(builder: RecordBuilder) -> None:
    return


def reigning(old: str) -> RecordBuilder:
    """The standby was promoted; what the old primary said until then and since."""
    return run(old, PROMOTED)


SHIFT = {"source": "a", "to": "b", "within": Duration.parse("1s")}
BREAKER = {"source": "d", "to": "s", "recovery_timeout": Duration.parse("2s")}
OUT = "0s 7.2s 100ms yes\n7.2s 20s 100ms no\n20s 26s 100ms yes"
UP = "0s 26s 100ms yes"
STAGES: Mapping[str, list[tuple[dict[str, Any], RecordBuilder | None, Write, Outcome]]] = {
    "slo": [
        ({"slo": "availability"}, None, nothing, PASS),
        ({"slo": "latency"}, None, nothing, PASS),
        ({"slo": "availability"}, faulted(BAD), nothing, FAIL),
        ({"slo": "nobody"}, None, nothing, INCONCLUSIVE),
    ],
    "budget": [
        ({"slo": "availability", "at_most": Ratio.parse("5%")}, None, nothing, PASS),
        ({"slo": "availability", "at_most": Ratio.parse("0.001%")}, faulted(BAD), nothing, FAIL),
    ],
    "steady_state": [
        ({"slo": "availability"}, None, probed(UP), PASS),
        ({"slo": "availability"}, None, probed(OUT), FAIL),
    ],
    "recovery": [
        ({"objective": "back"}, None, probed(UP), PASS),
        ({"objective": "back"}, None, probed(OUT), FAIL),
    ],
    "data_loss": [
        ({}, faulted(BAD, KILL), keeping(), PASS),
        ({"rpo": Duration.parse("1s")}, faulted(BAD, KILL), keeping(*range(410, 500)), PASS),
        ({"at_most": 2}, faulted(BAD, KILL), keeping(497, 498, 499), FAIL),
        ({"ledger": "another"}, faulted(BAD, KILL), keeping(), INCONCLUSIVE),
    ],
    "disk": [
        ({"volume": "data"}, faulted(REFUSING, FULL), nothing, PASS),
        ({"volume": "data", "refuses": ("507",)}, faulted(REFUSING, FULL), nothing, FAIL),
        ({"volume": "logs"}, faulted(REFUSING, FULL), nothing, INCONCLUSIVE),
    ],
    "settled": [
        ({"stable_for": Duration.parse("5s"), "probes": ("gate",)}, None, probed(UP), PASS),
        (
            {"stable_for": Duration.parse("5s"), "probes": ("gate",)},
            None,
            probed("0s 22s 100ms yes\n22s 26s 100ms no"),
            FAIL,
        ),
    ],
    "failover": [
        ({"store": "db", "within": Duration.parse("3s")}, reigning(KILLED), nothing, PASS),
        ({"store": "db"}, reigning(PRIMARY), nothing, FAIL),
    ],
    "replication": [
        ({"store": "db", "at_most": Duration.parse("1s")}, lagging(PROMPT), nothing, PASS),
        ({"store": "db", "at_most": Duration.parse("1s")}, lagging(*LATE), nothing, FAIL),
    ],
    "backup": [
        ({}, backed_up(restored()), nothing, PASS),
        ({}, backed_up(restored(twice=[3])), nothing, FAIL),
    ],
    "traffic_shift": [
        (SHIFT, shifted(BEFORE, "10s 10ms 1000 gate web-b gate web-b ok"), nothing, PASS),
        (SHIFT, shifted(BEFORE, "10s 10ms 300 gate web-a gate web-a refused"), nothing, FAIL),
    ],
    "self_healing": [
        ({"service": "web"}, faulted(BAD, KILL), nothing, PASS),
        ({"within": Duration.parse("1s")}, faulted(BAD, KILL), nothing, FAIL),
        ({"service": "cache"}, faulted(BAD, KILL), nothing, INCONCLUSIVE),
    ],
    "circuit_breaker": [
        (BREAKER, None, breaking(OPENS + TRIES), PASS),
        ({**BREAKER, "failure_threshold": 9}, None, breaking(OPENS + TRIES), FAIL),
        (BREAKER, None, breaking(OPENS), INCONCLUSIVE),
    ],
}


@pytest.mark.parametrize("kind", CHECKS)
def test_every_built_in_check_keeps_the_laws(tmp_path: Path, kind: str) -> None:
    assert kind in STAGES, f"nothing here tries the check {kind!r}: write a record for it"
    outcomes = set()
    for number, (fields, builder, write, expected) in enumerate(STAGES[kind]):
        written = builder or faulted()
        write(written)
        record = built(written, tmp_path / str(number))
        check_check(CHECKS[kind](**fields), evidence_of(record, *OBJECTIVES), expected)
        outcomes.add(expected)
    assert {PASS, FAIL} <= outcomes, "a check that can't pass, or can't fail, tells nothing"


class Fickle(Check):
    """Says something else each time."""

    kind = "fickle"
    turns: tuple[int, ...] = ()

    def judge(self, evidence: Evidence) -> Finding:
        said.append(1)
        return Finding(PASS, f"the {len(said)}th time")


class Credulous(Check):
    """Passes whatever it sees."""

    kind = "credulous"

    def judge(self, evidence: Evidence) -> Finding:
        return Finding(PASS, "all is well")


class Silent(Check):
    """Gives no reason."""

    kind = "silent"

    def judge(self, evidence: Evidence) -> Finding:
        return Finding(PASS, "")


class Infinite(Check):
    """Has a figure that can't be."""

    kind = "infinite"

    def judge(self, evidence: Evidence) -> Finding:
        return Finding(PASS, "all is well", (Number("forever", float("inf"), "s"),))


class Punctual(Check):
    """Cares when the run took place."""

    kind = "punctual"

    def judge(self, evidence: Evidence) -> Finding:
        if not evidence.record.has("requests"):
            return Finding(INCONCLUSIVE, "nothing")
        begin = Number("begin", evidence.window.begin / 1e9, "s")
        return Finding(PASS, "all is well", (begin,))


said: list[int] = []


@pytest.mark.parametrize(
    ("check", "law"),
    [
        (Fickle(), "law of purity"),
        (Credulous(), "law of emptiness"),
        (Silent(), "law of reasons"),
        (Infinite(), "law of figures"),
        (Punctual(), "law of time"),
    ],
)
def test_a_check_that_breaks_a_law_is_told_which(tmp_path: Path, check: Check, law: str) -> None:
    with pytest.raises(AssertionError, match=law):
        check_check(check, evidence_of(built(faulted(), tmp_path)), PASS)


def test_a_check_that_says_something_else_than_expected_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="law of truth: FAIL was expected"):
        check_check(Credulous(), evidence_of(built(faulted(), tmp_path)), FAIL)
