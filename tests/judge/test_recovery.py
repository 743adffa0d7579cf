"""Recovery time against outages whose true times are known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sloproof.contracts import Duration, Outcome, Sense
from sloproof.judge.checks.recovery import RecoveryTime
from sloproof.testing.record import RecordBuilder, WrittenFault
from tests.judge.cases import built, claim, line, recovery_objective, verdict

PASS, FAIL, INCONCLUSIVE = Outcome.PASS, Outcome.FAIL, Outcome.INCONCLUSIVE
BACK = line(RecoveryTime(objective="back"))
KILL = WrittenFault(name="kill", at=7, kind="pod_kill", sense=Sense.GONE, lasting=True, healed=11.0)
CUT = WrittenFault(name="cut", at=7, until=12, sense=Sense.REFUSED)


def outage(
    *rows: str, fault: WrittenFault = KILL, restore: float = 30, lasts: float | None = None
) -> RecordBuilder:
    """A run whose probe `gate` is good but in the rows of outages (`from to`, in seconds).

    Its samples go on until `lasts`, or until after the run.
    """
    builder = RecordBuilder()
    builder.phases(warmup=0, baseline=2, faults=7, recovery=12, restore=restore)
    builder.fault(fault)
    last, lines = 0.0, []
    for row in rows:
        begin, end = map(float, row.split())
        lines += [f"{last}s {begin}s 100ms yes", f"{begin}s {end}s 100ms no"]
        last = end
    lines.append(f"{last}s {lasts or restore + 1}s 100ms yes")
    builder.probe("gate", "from to every ok\n" + "\n".join(lines))
    return builder


def judged(builder: RecordBuilder, folder: Path, rto: str = "5s", **more: Any) -> Any:
    objectives = (recovery_objective(rto, **more),)
    return claim(built(builder, folder), BACK, objectives, load=None)


def interval(found: Any) -> Any:
    number = found.finding.numbers[0]
    return number.low, number.high


def test_the_interval_reaches_from_the_last_failure_to_the_first_success(tmp_path: Path) -> None:
    found = judged(outage("7.2 10"), tmp_path)
    low, high = interval(found)
    # applied at 7.000, seen gone by 7.051; last failure sent at 9.9, first success by 10.001
    assert low == pytest.approx(9.9 - 7.051)
    assert high == pytest.approx(10.001 - 7.0)
    assert found.finding.outcome is PASS


def test_what_was_waited_for_is_back_with_its_answer(tmp_path: Path) -> None:
    builder = outage("7.2 10", lasts=10)
    builder.probe("gate", "from to every took ok\n10s 10.1s 100ms 250ms yes")
    builder.probe("gate", "from to every took ok detail\n10.1s 10.3s 100ms 0ms no busy")
    builder.probe("gate", "from to every ok\n10.3s 31s 100ms yes")
    low, high = interval(judged(builder, tmp_path))
    # asked at 10.0, without an answer at 10.2: asked at 10.1 it might have had none by then either
    assert low == pytest.approx(10.1 - 7.051)
    assert high == pytest.approx(10.25 - 7.0)


@pytest.mark.parametrize(
    ("rto", "outcome"),
    [
        ("3.1s", PASS),
        ("3.001s", PASS),
        ("3s", INCONCLUSIVE),
        ("2.85s", INCONCLUSIVE),
        ("2.8s", FAIL),
    ],
)
def test_an_interval_around_the_target_decides_nothing(
    tmp_path: Path, rto: str, outcome: Outcome
) -> None:
    assert judged(outage("7.2 10"), tmp_path, rto).finding.outcome is outcome


@pytest.mark.parametrize(
    ("rows", "high"),
    [
        (["7.2 9", "9.2 11"], 4.001),  # two good samples are no three in a row
        (["7.2 9", "10 11"], 4.001),  # one good second is less than the two asked for
        (["7.2 9", "11.5 13"], 2.001),  # stable for two seconds: what comes later is another outage
        (["8.5 9"], 2.001),  # an outage that comes late is still this fault's
    ],
)
def test_back_means_a_row_of_successes_and_a_stable_time(
    tmp_path: Path, rows: list[str], high: float
) -> None:
    assert interval(judged(outage(*rows), tmp_path))[1] == pytest.approx(high)


@pytest.mark.parametrize(
    ("rows", "rto", "outcome", "words"),
    [
        (["7.2 9", "15 16"], "5s", INCONCLUSIVE, "so it was not back to stay"),
        (["7.2 9", "15 16", "20 21"], "5s", INCONCLUSIVE, "so it was not back to stay"),
        (["7.2 9", "15 30"], "5s", FAIL, "not seen back to stay"),
        (["7.2 9", "15 16", "20 30"], "5s", FAIL, "not seen back to stay"),
        (["7.2 9", "28.5 30"], "25s", INCONCLUSIVE, "not seen back to stay"),
        (["7.2 9", "15 16"], "1s", FAIL, "was back after"),
    ],
)
def test_what_fails_again_was_not_back_to_stay(
    tmp_path: Path, rows: list[str], rto: str, outcome: Outcome, words: str
) -> None:
    found = judged(outage(*rows), tmp_path, rto)
    assert found.finding.outcome is outcome, found.finding.reason
    assert words in found.finding.reason
    assert any("failed again" in note for note in found.finding.notes)


@pytest.mark.parametrize(
    ("bad", "outcome"), [("2.5 6.5", INCONCLUSIVE), ("3 3.1", PASS), ("0.5 1.5", PASS)]
)
def test_what_was_down_before_shows_no_recovery(tmp_path: Path, bad: str, outcome: Outcome) -> None:
    """One bad sample before the fault, or a bad warm-up, is no illness yet."""
    found = judged(outage(bad, "7.2 10"), tmp_path)
    assert found.finding.outcome is outcome, found.finding.reason
    assert ("the baseline was not well: probe gate" in found.finding.reason) is (
        outcome is not PASS
    )


def test_a_tolerated_failure_is_no_outage(tmp_path: Path) -> None:
    found = judged(outage("8 8.1"), tmp_path, good_ratio=_ratio("90%"))
    assert interval(found)[0] == 0
    assert "never down" in found.finding.reason


def test_a_probe_that_never_fails_is_back_at_once(tmp_path: Path) -> None:
    builder = outage()
    builder.requests("at every count\n2s 10ms 2300")
    found = judged(builder, tmp_path)
    assert interval(found) == (0.0, pytest.approx(0.001, abs=0.1))
    assert found.finding.outcome is PASS


def test_a_probe_that_never_fails_shows_nothing_of_a_fault_that_nobody_met(tmp_path: Path) -> None:
    found = judged(outage(), tmp_path)
    assert interval(found) == (0.0, pytest.approx(0.001, abs=0.1))
    assert found.finding.outcome is INCONCLUSIVE
    assert "fault kill met nobody" in found.finding.reason


def test_that_another_probe_met_the_fault_shows_nothing_of_this_one(tmp_path: Path) -> None:
    builder = outage()
    builder.probe(
        "other", "from to every ok\n0s 7.2s 100ms yes\n7.2s 10s 100ms no\n10s 31s 100ms yes"
    )
    found = judged(builder, tmp_path)
    assert found.finding.outcome is INCONCLUSIVE
    assert "fault kill met nobody" in found.finding.reason


@pytest.mark.parametrize(("rto", "outcome"), [("5s", FAIL), ("20s", INCONCLUSIVE)])
def test_the_harness_restoring_censors(tmp_path: Path, rto: str, outcome: Outcome) -> None:
    fault = replace(KILL, healed=None, until=20.0)
    found = judged(outage("7.2 20.5", fault=fault), tmp_path, rto)
    assert found.finding.outcome is outcome
    low, high = interval(found)
    assert low == pytest.approx(19.9 - 7.051)
    assert high is None


@pytest.mark.parametrize(("rto", "outcome"), [("5s", FAIL), ("60s", INCONCLUSIVE)])
def test_the_end_of_the_run_censors(tmp_path: Path, rto: str, outcome: Outcome) -> None:
    assert judged(outage("7.2 31"), tmp_path, rto).finding.outcome is outcome


def test_good_answers_too_near_the_end_show_no_recovery(tmp_path: Path) -> None:
    found = judged(outage("7.2 29"), tmp_path, "60s")
    assert found.finding.outcome is INCONCLUSIVE


@pytest.mark.parametrize(
    ("origin", "rows", "low", "high"),
    [
        (None, ["7.1 12.5"], 12.4 - 12.051, 12.501 - 12.0),
        ("fault_end", ["7.1 12.5"], 12.4 - 12.051, 12.501 - 12.0),
        ("fault_end", ["7.1 9"], 0.0, 0.001),
        ("fault", ["7.1 9"], 8.9 - 7.051, 9.001 - 7.0),
    ],
)
def test_where_time_is_counted_from(
    tmp_path: Path, origin: Any, rows: list[str], low: float, high: float
) -> None:
    found = judged(outage(*rows, fault=CUT), tmp_path, origin_of_time=origin)
    assert interval(found) == (pytest.approx(low, abs=1e-9), pytest.approx(high, abs=1e-9))


def test_the_harness_taking_the_fault_away_censors_what_counts_from_its_beginning(
    tmp_path: Path,
) -> None:
    found = judged(outage("7.1 12.5", fault=CUT), tmp_path, "3s", origin_of_time="fault")
    assert found.finding.outcome is FAIL
    assert interval(found)[1] is None


def test_where_the_system_ended_a_pause_time_counts_from_its_beginning(tmp_path: Path) -> None:
    pause = WrittenFault(
        name="pause",
        at=7,
        until=12,
        sense=Sense.STOPPED,
        vanishes=9.0,
        outcome="absent",
        healed=9.2,
        target={"instance": {"name": "a-1", "service": "a"}},
    )
    found = judged(outage("7.1 9.5", fault=pause), tmp_path)
    assert interval(found) == (pytest.approx(9.4 - 7.051), pytest.approx(9.501 - 7.0))


def test_no_fault_is_no_recovery(tmp_path: Path) -> None:
    builder = RecordBuilder()
    builder.phases(warmup=0, baseline=2, restore=20)
    builder.probe("gate", "from to\n 0s 20s")
    assert judged(builder, tmp_path).finding.outcome is INCONCLUSIVE


def test_a_fault_upon_an_unhealed_one_is_one_incident(tmp_path: Path) -> None:
    builder = outage("7.2 15")
    builder.fault(replace(KILL, name="again", at=9, healed=14.0))
    found = judged(builder, tmp_path, "10s")
    assert len([n for n in found.finding.numbers if n.name == "rto"]) == 1
    assert interval(found)[1] == pytest.approx(15.001 - 7.0)
    assert "kill and again" in found.finding.reason


def test_each_of_two_recovered_faults_counts(tmp_path: Path) -> None:
    builder = outage("7.2 8", "20 24")
    builder.fault(replace(KILL, name="again", at=19.95, healed=24.0))
    found = judged(builder, tmp_path, "2s")
    assert {n.name: n.high for n in found.finding.numbers} == {
        "rto after again": pytest.approx(24.001 - 19.95),
        "rto after kill": pytest.approx(1.001),
        "rto target": None,
    }
    assert found.finding.outcome is FAIL


def test_of_several_recoveries_the_worst_is_told_and_the_others_counted(tmp_path: Path) -> None:
    builder = outage("7.2 8", "20 24")
    builder.fault(replace(KILL, name="again", at=19.95, healed=24.0))
    finding = judged(builder, tmp_path, "5s").finding
    assert finding.reason.startswith("after again, ")
    assert finding.reason.endswith("; 1 more took no longer")
    assert [(n.name, n.value) for n in finding.numbers[-1:]] == [("rto target", 5.0)]


def test_the_way_back_is_told_in_phases(tmp_path: Path) -> None:
    builder = outage("7.2 10")
    builder.system(8, "detected", instance="b-1")
    builder.system(8.5, "action", instance="b-1")
    found = verdict(built(builder, tmp_path), BACK, objectives=(recovery_objective(),), load=None)
    recoveries: Any = found.measures["recoveries"]
    names = [phase["name"] for phase in recoveries[0]["phases"]]
    assert names == [
        "first failure", "detected", "action", "first good answer", "baseline latency", "stable",
    ]  # fmt: skip
    assert recoveries[0]["from_detection_s"] == pytest.approx(2.001)
    ends = [phase["end_s"] for phase in recoveries[0]["phases"]]
    assert ends == sorted(ends)
    assert ends[1] == pytest.approx(6.0)


def test_a_quick_answer_that_overtakes_the_first_good_one_is_not_told_before_it(
    tmp_path: Path,
) -> None:
    builder = outage("7.2 10", lasts=10)
    builder.probe("gate", "from to every took ok\n10s 10.1s 100ms 900ms yes")
    builder.probe("gate", "from to every ok\n10.1s 31s 100ms yes")
    found = verdict(built(builder, tmp_path), BACK, objectives=(recovery_objective(),), load=None)
    recoveries: Any = found.measures["recoveries"]
    assert [phase["name"] for phase in recoveries[0]["phases"]] == [
        "first failure", "first good answer", "baseline latency", "stable",
    ]  # fmt: skip


@given(st.integers(7_060, 9_000), st.integers(300, 9_000), st.sampled_from([10, 50, 100]))
@settings(deadline=None, max_examples=60)
def test_the_true_time_lies_in_the_interval(begin: int, length: int, every: int) -> None:
    end = begin + length
    rows = [(at, at + 1, not begin <= at < end, "") for at in range(0, 30_000, every)]
    low, high = _back(rows)
    assert low <= end <= high
    assert high - low <= every + 1


@given(
    st.integers(7_060, 9_000),
    st.integers(300, 9_000),
    st.sampled_from([10, 50, 100]),
    st.floats(0, 1),
    st.booleans(),
)
@settings(deadline=None, max_examples=100)
def test_the_true_time_lies_in_it_where_samples_wait_for_each_other(
    begin: int, length: int, every: int, takes: float, hangs: bool
) -> None:
    end, took = begin + length, max(1, round(takes * every))
    rows: list[tuple[int, int, bool, str]] = []
    free = 0
    for at in range(0, 30_000, every):
        if at < free:
            rows.append((at, at, False, "busy"))
            continue
        down = begin < at + took and at < end
        free = at + took if not down else end + took if hangs else at + 1
        rows.append((at, free, hangs or not down, ""))
    low, high = _back(rows)
    assert low <= end <= high
    assert high - low <= 2 * every + took


def _back(rows: list[tuple[int, int, bool, str]]) -> tuple[float, float]:
    """Between which milliseconds the service came back: samples sent, finished, ok, detail."""
    import numpy as np

    from sloproof.judge.stability import Stability
    from sloproof.record.reader import Samples

    sent, finished, ok, detail = map(np.array, zip(*rows, strict=True))
    sent, finished, nothing = sent * 10**6, finished * 10**6, np.full(len(rows), np.nan)
    samples = Samples(sent, sent, finished, ok, nothing, detail.astype(object))
    seen = Stability.of(samples, recovery_objective(stable_for=Duration.parse("2s")))
    back = seen.first_stable(7 * 10**9, seen.first_outage(7 * 10**9, 30 * 10**9))
    assert back is not None
    last = seen.last_failed(7 * 10**9, back, 30 * 10**9)
    assert last is not None
    return last / 10**6, int(seen.samples.finished[back]) / 10**6


def _ratio(text: str) -> Any:
    from sloproof.contracts import Ratio

    return Ratio.parse(text)
