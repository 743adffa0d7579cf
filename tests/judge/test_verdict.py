"""The verdict as a whole: the same bytes each time, in the shape it promises, and its laws."""

from __future__ import annotations

import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sloproof.contracts import Duration, Evidence, Ratio, Window
from sloproof.judge import judge, verdict_json, verdict_schema
from sloproof.judge.checks.budget import Budget
from sloproof.judge.checks.circuit_breaker import CircuitBreaker
from sloproof.judge.checks.recovery import RecoveryTime
from sloproof.judge.checks.self_healing import SelfHealing
from sloproof.judge.checks.slo import ServiceLevel
from sloproof.judge.checks.steady_state import SteadyState
from sloproof.judge.indicator import good_of, latencies_of
from sloproof.judge.ratio import Count, of_this_run
from sloproof.judge.requests import Requests, Sort, _chunk
from sloproof.judge.wording import listed, per_second, percent, period, seconds
from sloproof.model.verdict import Verdict
from sloproof.record.reader import Record
from sloproof.record.schema import NEVER, RequestKind
from sloproof.spec.objectives import Matcher, QuantileIndicator, RatioIndicator
from tests.judge.cases import (
    asked,
    built,
    faulted,
    latency_slo,
    line,
    recovery_objective,
    slo,
)

LINES = (
    line(ServiceLevel(slo="availability")),
    line(ServiceLevel(slo="latency"), id="late", during="recovery"),
    line(RecoveryTime(objective="back")),
    line(Budget(slo="availability", at_most=Ratio.parse("5%"))),
    line(SteadyState()),
    line(SelfHealing()),
    line(CircuitBreaker(source="d", to="s")),
)
OBJECTIVES = (slo(), latency_slo(), recovery_objective())
TABLE = """
    at    every  count  took   outcome  status  method  path
    0s    10ms   1500   20ms   ok       200     POST    /turns
    7.1s  50ms   60     900ms  error    503     POST    /turns
    15s   10ms   900    25ms   ok       200     GET     /
"""


def whole(folder: Path) -> Record:
    builder = faulted(TABLE)
    builder.probe("gate", "from to ok\n0s 7s yes\n7s 13s no\n13s 26s yes")
    builder.calls("at count from to\n8s 100 d s")
    builder.system(8, "detected")
    return built(builder, folder)


def judged(record: Record) -> Verdict:
    return judge(record, loaded=asked(*LINES, objectives=OBJECTIVES, faults=("slow",)))


def test_the_same_record_gives_the_same_bytes(tmp_path: Path) -> None:
    record = whole(tmp_path)
    first = verdict_json(judged(record))
    assert verdict_json(judged(record)) == first
    assert verdict_json(judged(Record(record.folder))) == first


def test_another_process_gives_the_same_bytes(tmp_path: Path) -> None:
    record = whole(tmp_path)
    program = (
        "from pathlib import Path; import sys\n"
        "from sloproof.judge import verdict_json; from sloproof.record.reader import Record\n"
        "from tests.judge.test_verdict import judged\n"
        "sys.stdout.write(verdict_json(judged(Record(Path(sys.argv[1])))))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(record.folder)],
        cwd=Path(__file__).parents[2],
        env={"PYTHONHASHSEED": "4711", "PYTHONPATH": "."},
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout == verdict_json(judged(record))


def test_a_verdict_fits_its_schema(tmp_path: Path) -> None:
    import json

    body = json.loads(verdict_json(judged(whole(tmp_path))))
    jsonschema.validate(body, verdict_schema())
    assert list(body) == sorted(body)


def test_measures_have_the_promised_structure(tmp_path: Path) -> None:
    from pydantic import TypeAdapter

    from sloproof.report.figures import Figures

    found = TypeAdapter(Figures).validate_python(judged(whole(tmp_path)).measures)
    assert found.load is not None
    assert found.load.adequate
    assert (found.windows[0].name, found.windows[0].begin_s) == ("run", 0)
    assert found.faults[0].witnessed
    assert found.recoveries[0].rto_s is not None
    assert list(found.recoveries[0].rto_s) == pytest.approx([0.849, 1.001])
    assert found.budget[0].spent_ratio
    assert found.ledger == ()


def test_old_records_are_judged_by_new_objectives(tmp_path: Path) -> None:
    record = whole(tmp_path)
    loaded = asked(LINES[0], objectives=(slo("90%"),), faults=("slow",))
    lenient = judge(record, loaded=loaded)
    strict = judge(record, loaded=loaded, objectives={"availability": slo("99.99%")})
    assert (lenient.outcome, strict.outcome) == ("PASS", "FAIL")


def test_a_check_can_be_judged_on_plain_evidence(tmp_path: Path) -> None:
    record = whole(tmp_path)
    run = Window("run", 2 * 10**9, 25 * 10**9)
    evidence = Evidence(
        record=record,
        window=run,
        windows={"run": run},
        general=False,
        confidence=Fraction(95, 100),
        tolerance={},
        objectives={each.name: each for each in OBJECTIVES},
    )
    for each in LINES:
        assert each.check.judge(evidence).reason


# -- laws

KINDS = [RequestKind("p", "a", "GET", "/a"), RequestKind("p", "b", "POST", "/b")]
ROW = st.tuples(
    st.integers(0, 1000), st.integers(0, 500), st.integers(0, 1), st.integers(0, 4),
    st.sampled_from([0, 200, 404, 503]),
)  # fmt: skip
ROWS = st.lists(ROW, min_size=1, max_size=80)
RATIO = RatioIndicator(
    good=Matcher(status=("2xx",), within=Duration(200)), total=Matcher(method="POST")
)
QUANTILE = QuantileIndicator(total=Matcher(), quantile=Ratio.parse("90%"))


def held(
    rows: list[tuple[int, ...]], *, shift: int = 0, scale: int = 1, size: int = 30
) -> Requests:
    """These rows as requests, in chunks of `size`."""
    requests = Requests()
    numbers = np.full(len(KINDS) * 1024 * 8, -1, dtype=np.int32)
    sorts: list[Sort] = requests.sorts
    for begin in range(0, len(rows), size):
        part = np.array(rows[begin : begin + size], dtype=np.int64)
        answered = part[:, 3] <= 1
        intended = part[:, 0] * scale + shift
        batch: dict[str, Any] = {
            "intended": intended,
            "finished": np.where(answered, intended + part[:, 1] * scale, NEVER),
            "kind": part[:, 2].astype(np.uint16),
            "outcome": part[:, 3].astype(np.uint8),
            "status": part[:, 4].astype(np.int16),
        }
        requests.chunks.append(_chunk(batch, KINDS, numbers, sorts))
    return requests


def measured(requests: Requests, window: Window, scale: int = 1) -> tuple[Count, list[int]]:
    good = Matcher(status=("2xx",), within=Duration(200 * scale))
    indicator = RatioIndicator(good=good, total=RATIO.total)
    found = latencies_of(requests, QUANTILE, window)
    return good_of(requests, indicator, None, window), sorted(found.tolist())


@settings(deadline=None, max_examples=60)
@given(ROWS, st.integers(0, 1001))
def test_two_windows_merged_count_as_much_as_both(rows: list[tuple[int, ...]], cut: int) -> None:
    requests = held(rows)
    first, one = measured(requests, Window("a", 0, cut))
    second, two = measured(requests, Window("b", cut, 1001))
    both, all_of_them = measured(requests, Window("ab", 0, 1001))
    assert first + second == both
    assert sorted(one + two) == all_of_them


@settings(deadline=None, max_examples=60)
@given(ROWS, st.integers(-(10**12), 10**12))
def test_shifting_time_changes_nothing(rows: list[tuple[int, ...]], shift: int) -> None:
    moved = measured(held(rows, shift=shift), Window("w", 100 + shift, 900 + shift))
    assert moved == measured(held(rows), Window("w", 100, 900))


@settings(deadline=None, max_examples=60)
@given(ROWS, st.sampled_from([2, 1000, 10**9]))
def test_scaling_time_scales_latencies_and_nothing_else(
    rows: list[tuple[int, ...]], scale: int
) -> None:
    window = Window("w", 100 * scale, 900 * scale)
    count, latencies = measured(held(rows, scale=scale), window, scale)
    plain, usual = measured(held(rows), Window("w", 100, 900))
    assert count == plain
    assert latencies == [value if value == NEVER else value * scale for value in usual]


@settings(deadline=None, max_examples=60)
@given(ROWS, st.randoms(use_true_random=False), st.integers(1, 90))
def test_the_order_of_rows_changes_nothing(
    rows: list[tuple[int, ...]], chance: Any, size: int
) -> None:
    mixed = list(rows)
    chance.shuffle(mixed)
    window = Window("w", 100, 900)
    assert measured(held(mixed, size=size), window) == measured(held(rows), window)


@settings(deadline=None)
@given(st.integers(0, 5000), st.integers(0, 5000), st.fractions(0, 1, max_denominator=10_000))
def test_more_failures_never_turn_a_miss_into_a_pass(good: int, bad: int, target: Fraction) -> None:
    order = {"PASS": 0, "INCONCLUSIVE": 1, "FAIL": 2}
    before = of_this_run(Count(good, good + bad), target).outcome
    after = of_this_run(Count(good, good + bad + 1), target).outcome
    assert order[after] >= order[before] or before == "INCONCLUSIVE"


# -- words


@pytest.mark.parametrize(
    ("value", "beside", "words"),
    [
        ("1", None, "100%"),
        ("0.999996", None, "99.99%"),
        ("0.999996", "0.99999", "99.9996%"),
        ("0.9999999999999", None, "99.99%"),
        ("0.985", "0.99", "98.5%"),
        ("0", None, "0%"),
        ("0.0000004", None, "0.00004%"),
    ],
)
def test_a_share_is_never_rounded_up_to_its_limit(
    value: str, beside: str | None, words: str
) -> None:
    assert percent(Fraction(value), beside=None if beside is None else Fraction(beside)) == words


@pytest.mark.parametrize(
    ("ns", "words"),
    [(0, "0 ms"), (1_500_000, "1.5 ms"), (999_999_999, "999.99 ms"), (12_345_678_901, "12.345 s")],
)
def test_times_are_cut_off(ns: int, words: str) -> None:
    assert seconds(ns) == words


@pytest.mark.parametrize(("text", "words"), [("30d", "30 d"), ("12h", "12 h"), ("90s", "90 s")])
def test_periods_read_as_people_write_them(text: str, words: str) -> None:
    assert period(Duration.parse(text).ns) == words


@pytest.mark.parametrize(
    ("value", "words"),
    [("3.97447", "3.97/s"), ("0.0125", "0.012/s"), ("79.96", "79.9/s"), ("1250.4", "1250/s")],
)
def test_a_rate_has_three_digits_and_no_exponent(value: str, words: str) -> None:
    assert per_second(Fraction(value)) == words


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ([], ""),
        (["a"], "a"),
        (["a", "b"], "a and b"),
        (["a", "b", "c"], "a, b and c"),
        (["a", "b", "c", "d", "e"], "a, b, c and 2 more"),
    ],
)
def test_names_in_a_row_read_as_people_say_them(names: list[str], words: str) -> None:
    assert listed(names) == words
