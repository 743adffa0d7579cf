"""What makes a record prove less than it shows: not one of these ends in PASS."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sloproof.contracts import Duration, Outcome, Sense
from sloproof.judge.checks.recovery import RecoveryTime
from sloproof.judge.checks.slo import ServiceLevel
from sloproof.judge.checks.steady_state import SteadyState
from sloproof.model.target import Entry, Target, TargetProbe
from sloproof.model.verdict import Verdict
from sloproof.spec.experiment import Repetition
from sloproof.testing.record import RecordBuilder, WrittenFault
from tests.judge.cases import (
    FAULT,
    GOOD,
    built,
    faulted,
    line,
    planned,
    recovery_objective,
    slo,
    verdict,
)

PASS, FAIL, INCONCLUSIVE = Outcome.PASS, Outcome.FAIL, Outcome.INCONCLUSIVE
SLO = line(ServiceLevel(slo="availability"))
BACK = line(RecoveryTime(objective="back"))
BASELINE = line(ServiceLevel(slo="availability"), id="early", during="baseline")
BAD = """
    at     every  count  outcome  status
    0s     10ms   720    ok       200
    7.2s   10ms   400    error    503
    11.2s  10ms   1380   ok       200
"""
TARGET = Target(
    name="demo",
    origin="t.yaml",
    folder=".",
    platform="local",
    entry=Entry(url="http://localhost"),
    probes=(TargetProbe(name="gate", kind="http", params={}, every=Duration.parse("100ms")),),
)
AT_THE_DOOR = replace(
    TARGET, probes=(replace(TARGET.probes[0], params={"url": "http://localhost/health"}),)
)
Change = Callable[[RecordBuilder], None]


def run(
    folder: Path,
    requests: str = GOOD,
    *,
    fault: WrittenFault = FAULT,
    change: Change = lambda builder: None,
    probe: str = "0s 26s 100ms 0s",
    target: Target = TARGET,
    **more: bool,
) -> Verdict:
    builder = faulted(requests, fault)
    if probe:
        builder.probe("gate", f"from to every lag\n{probe}")
    change(builder)
    record = built(builder, folder, **more)
    objectives = (slo(), recovery_objective())
    asked = {"objectives": objectives, "faults": ("slow",), "target": target}
    return verdict(record, SLO, BACK, BASELINE, **asked)  # type: ignore[arg-type]


def outcomes(found: Verdict) -> list[Outcome]:
    return [claim.finding.outcome for claim in found.claims]


def test_a_whole_record_passes(tmp_path: Path) -> None:
    found = run(tmp_path)
    assert outcomes(found) == [PASS, PASS, PASS]
    assert (found.evidence, found.attribution) == ((), ())
    assert found.sentence == (
        "PASS: with latency on entry, none of 2,300 requests failed and all 3 claims held in this "
        "run."
    )


def test_a_whole_record_fails_where_its_objective_was_missed(tmp_path: Path) -> None:
    found = run(tmp_path, BAD)
    assert outcomes(found) == [FAIL, PASS, PASS]
    assert not found.claims[0].unattributed
    assert found.outcome is FAIL
    assert found.sentence == (
        "FAIL: with latency on entry, 400 of 2,300 requests failed and 1 of 3 claims failed: "
        "slo:availability."
    )


def late(builder: RecordBuilder) -> None:
    builder.requests("at every count late\n8s 100ms 30 yes")


def slow_generator(builder: RecordBuilder) -> None:
    builder.requests("at every count lag took\n8s 10ms 60 21ms 30ms")


def generator(**facts: object) -> Change:
    def change(builder: RecordBuilder) -> None:
        builder.event(0, "load.started", at=0)
        given = {"planned": 2500, "started": 2500, "bound_ns": 20_000_000, "exit": 0, **facts}
        builder.event(25, "load.finished", **given)

    return change


def clock(*drifts: float) -> Change:
    def change(builder: RecordBuilder) -> None:
        for at, drift in enumerate(drifts):
            builder.event(3 + at, "clock", drift_ns=round(drift * 1e9))

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (late, "started late although a slot was free"),
        (slow_generator, "late at the 99th percentile"),
    ],
)
@pytest.mark.parametrize("requests", [GOOD, BAD])
def test_an_inadequate_generator_leaves_requests_undecided(
    tmp_path: Path, change: Change, words: str, requests: str
) -> None:
    found = run(tmp_path, requests, change=change)
    assert outcomes(found) == [INCONCLUSIVE, PASS, INCONCLUSIVE]
    assert words in found.evidence[0]
    assert any("seen all the same" in note for note in found.claims[0].finding.notes)


@pytest.mark.parametrize(
    ("facts", "adequate"),
    [
        ({}, True),
        ({"planned": 2502}, True),
        ({"planned": 2503}, False),
        ({"planned": 2497}, False),
        ({"planned": 0}, False),
        ({"planned": None}, False),
        ({"exit": -9}, False),
        ({"exit": 1}, False),
    ],
)
def test_delivered_arrivals_are_compared_with_planned_ones(
    tmp_path: Path, facts: dict[str, object], adequate: bool
) -> None:
    found = run(tmp_path, change=generator(**facts), load=False)
    assert outcomes(found)[0] is (PASS if adequate else INCONCLUSIVE), found.evidence


def test_a_load_whose_end_is_missing_shows_nothing(tmp_path: Path) -> None:
    found = run(tmp_path, BAD, change=lambda b: b.event(0, "load.started", at=0), load=False)
    assert outcomes(found)[0] is INCONCLUSIVE


def test_a_load_that_never_started_shows_nothing(tmp_path: Path) -> None:
    assert outcomes(run(tmp_path, load=False))[0] is INCONCLUSIVE


@pytest.mark.parametrize(
    "probe",
    [
        "0s 20s 100ms 0s",  # dead before the end
        "5s 26s 100ms 0s",  # born late
        "0s 10s 100ms 0s\n11s 26s 100ms 0s",  # a hole
        "0s 26s 100ms 150ms",  # always late
        "0s 26s 1s 0s",  # a tenth of what was asked for
        "",
    ],
)
def test_an_inadequate_prober_leaves_probes_undecided(tmp_path: Path, probe: str) -> None:
    found = run(tmp_path, BAD, probe=probe)
    assert outcomes(found) == [FAIL, INCONCLUSIVE, PASS]


@pytest.mark.parametrize(
    ("drifts", "jumps"),
    [
        ((0, 0, 0), 0),
        ((0, 0.04, 0.08), 0),
        ((0, 1, 1), 1),
        ((0, -1, 1), 2),
        ((0, 1, 0), 0),
        ((0, 0, 1), 1),
        ((5, 5.0005), 0),
    ],
)
def test_a_clock_that_jumped_leaves_everything_undecided(
    tmp_path: Path, drifts: tuple[float, ...], jumps: int
) -> None:
    found = run(tmp_path, BAD, change=clock(*drifts))
    assert len(found.evidence) == jumps
    assert outcomes(found) == ([INCONCLUSIVE] * 3 if jumps else [FAIL, PASS, PASS])


@pytest.mark.parametrize("requests", [GOOD, BAD])
def test_without_a_seal_nothing_is_decided(tmp_path: Path, requests: str) -> None:
    found = run(tmp_path, requests, sealed=False)
    assert outcomes(found) == [INCONCLUSIVE] * 3
    assert "no seal" in found.evidence[0]


def test_a_torn_event_is_told(tmp_path: Path) -> None:
    builder = faulted()
    record = built(builder, tmp_path, sealed=False)
    with (record.folder / "events.jsonl").open("ab") as file:
        file.write(b'{"n":99')
    torn = type(record)(record.folder)
    found = verdict(torn, SLO, objectives=(slo(),), faults=("slow",))
    assert any("torn" in text for text in found.evidence)
    assert found.outcome is INCONCLUSIVE


def happens(kind: str, **data: object) -> Change:
    return lambda builder: builder.event(20, kind, **data)


def never_injected(builder: RecordBuilder) -> None:
    builder._events = [e for e in builder._events if not e[1].startswith(("effect", "fault"))]


def forgotten(builder: RecordBuilder) -> None:
    builder._events = [e for e in builder._events if not e[1].startswith("effect")]


BROKEN = [
    pytest.param({"change": happens("stop", condition="errors", value=0.5)}, id="stopped"),
    pytest.param({"change": happens("interrupted", signal="SIGINT")}, id="interrupted"),
    pytest.param({"change": happens("harness.error", where="x", error="y")}, id="harness"),
    pytest.param({"change": happens("run.finished", how="stopped", reason="r")}, id="how"),
    pytest.param({"finished": False}, id="no end"),
]
BROKEN_FAULT = [
    pytest.param({"fault": replace(FAULT, measured=0.1)}, id="unwitnessed"),
    pytest.param({"fault": replace(FAULT, sense=None)}, id="no witness"),
    pytest.param({"fault": replace(FAULT, samples=False)}, id="dead witness"),
    pytest.param({"fault": replace(FAULT, outcome="foreign")}, id="foreign"),
    pytest.param({"change": never_injected}, id="never injected"),
    pytest.param({"change": forgotten}, id="no effects"),
    pytest.param({"change": happens("effect.failed", number=1, error="no")}, id="refused"),
    pytest.param({"change": happens("effect.undo_failed", number=1, error="no")}, id="stuck"),
]


def test_why_a_run_was_cut_short_is_said_once(tmp_path: Path) -> None:
    def interrupted(builder: RecordBuilder) -> None:
        builder.event(20, "interrupted", signal="SIGINT")
        builder.event(21, "run.finished", how="interrupted", reason="SIGINT")

    found = run(tmp_path, change=interrupted, finished=False)
    assert found.attribution == ("the run was interrupted by SIGINT",)


def test_what_the_generator_had_to_say_is_among_the_measures(tmp_path: Path) -> None:
    found = run(tmp_path, change=generator(notices=["wait_time is ignored"]), load=False)
    load: Any = found.measures["load"]
    assert load["notices"] == ["wait_time is ignored"]


@pytest.mark.parametrize("what", BROKEN)
def test_a_run_cut_short_passes_nothing(tmp_path: Path, what: dict[str, object]) -> None:
    found = run(tmp_path, **what)  # type: ignore[arg-type]
    assert outcomes(found) == [INCONCLUSIVE] * 3
    assert found.attribution


@pytest.mark.parametrize("what", BROKEN_FAULT)
def test_an_unproven_fault_passes_nothing_but_what_came_before(
    tmp_path: Path, what: dict[str, object]
) -> None:
    found = run(tmp_path, **what)  # type: ignore[arg-type]
    assert outcomes(found) == [INCONCLUSIVE, INCONCLUSIVE, PASS]
    assert found.attribution


@pytest.mark.parametrize("what", BROKEN + BROKEN_FAULT)
def test_an_observed_failure_stays_but_is_nobodys_doing(
    tmp_path: Path, what: dict[str, object]
) -> None:
    found = run(tmp_path, BAD, **what)  # type: ignore[arg-type]
    assert found.claims[0].finding.outcome is FAIL
    assert found.claims[0].unattributed
    assert "not shown to be the fault's doing" in found.sentence


def test_a_baseline_that_was_not_well_attributes_nothing(tmp_path: Path) -> None:
    table = "at every count outcome status\n0s 10ms 2500 ok 200\n3s 10ms 50 error 503"
    found = run(tmp_path, table)
    assert outcomes(found) == [FAIL, INCONCLUSIVE, FAIL]
    assert [claim.unattributed for claim in found.claims] == [True, False, False]
    assert any("baseline" in text for text in found.attribution)


NOBODY = "at every count\n0s 10ms 600\n13s 10ms 1200"


def test_nobody_met_the_fault(tmp_path: Path) -> None:
    """Neither a request nor the probe: that one kept answering shows nothing."""
    found = run(tmp_path, NOBODY)
    assert outcomes(found) == [INCONCLUSIVE, INCONCLUSIVE, PASS]
    assert "met nobody" in found.attribution[0]


INNER = {"link": {"name": "inner", "source": "gateway", "target": "web", "entry": False}}


@pytest.mark.parametrize(
    ("sense", "target", "during", "met"),
    [
        (Sense.DELAY, None, "100ms 810ms yes", True),
        (Sense.DELAY, None, "100ms 390ms yes", False),  # less than half of what was asked for
        (Sense.DELAY, INNER, "100ms 810ms yes", True),
        (Sense.REFUSED, None, "100ms 10ms no", True),
        (Sense.REFUSED, INNER, "100ms 10ms yes", False),
        # What leaves no mark on one answer is met by all that come in by that door.
        (Sense.THROUGHPUT, None, "100ms 10ms yes", True),
        (Sense.THROUGHPUT, INNER, "100ms 10ms yes", False),
    ],
)
def test_what_a_probe_shows_of_a_fault_that_only_it_may_have_met(
    tmp_path: Path, sense: Sense, target: Any, during: str, met: bool
) -> None:
    fault = replace(FAULT, sense=sense, target=target or FAULT.target)
    rows = f"every took ok\n0s 7.1s 100ms 10ms yes\n7.1s 11.9s {during}\n11.9s 26s 100ms 10ms yes"

    def probed(builder: RecordBuilder) -> None:
        builder.probe("gate", f"from to {rows}")

    found = run(tmp_path, NOBODY, fault=fault, probe="", change=probed, target=AT_THE_DOOR)
    assert outcomes(found)[1] is (PASS if met else INCONCLUSIVE), found.claims[1]


def test_a_repeated_fault_has_to_come_as_often_as_planned(tmp_path: Path) -> None:
    record = built(faulted(), tmp_path)
    thrice = planned("slow", repeat=Repetition(every=Duration.parse("9s"), times=3))
    found = verdict(record, SLO, objectives=(slo(),), faults=(thrice,))
    assert found.outcome is INCONCLUSIVE
    assert "only 1 times of 3" in found.attribution[0]


def test_evidence_outweighs_attribution(tmp_path: Path) -> None:
    found = run(tmp_path, BAD, fault=replace(FAULT, sense=None), sealed=False)
    assert outcomes(found) == [INCONCLUSIVE] * 3
    assert not any(claim.unattributed for claim in found.claims)


def test_no_claim_is_no_pass(tmp_path: Path) -> None:
    found = verdict(built(faulted(), tmp_path), faults=("slow",))
    assert found.outcome is INCONCLUSIVE
    assert "nothing was claimed" in found.sentence


def test_the_worst_claim_decides(tmp_path: Path) -> None:
    lines = (line(SteadyState(), id="a"), SLO, line(ServiceLevel(slo="nobody"), id="b"))
    objectives = (slo(), slo(name="nobody", indicator=slo().indicator, objectives=()))
    record = built(faulted(BAD), tmp_path)
    found = verdict(record, *lines, objectives=objectives, faults=("slow",))
    assert found.outcome is FAIL
