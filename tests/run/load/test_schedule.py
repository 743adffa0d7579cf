from __future__ import annotations

import math
from fractions import Fraction
from itertools import chain, pairwise, takewhile
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sloproof.model.units import Duration, Rate
from sloproof.run.load.schedule import Schedule
from sloproof.spec.experiment import Segment, Spike
from sloproof.spec.pieces import SECOND, Change, Piece, pieces_of


def segment(**fields: Any) -> Segment:
    """`rate="10/s", for_="2s"` as one would write them."""
    parsed: dict[str, Any] = dict(fields)
    for name in ("rate", "source", "to"):
        if name in fields:
            parsed[name] = Rate.parse(fields[name])
    for name in ("for_", "each"):
        if name in fields:
            parsed[name] = Duration.parse(fields[name])
    if "steps" in fields:
        parsed["steps"] = tuple(map(Rate.parse, fields["steps"]))
    return Segment(**parsed)


def spike(to: str, at: str, lasts: str) -> Spike:
    return Spike(to=Rate.parse(to), at=Duration.parse(at), for_=Duration.parse(lasts))


def moments(schedule: Schedule, end: float) -> list[int]:
    stop = end * SECOND
    return [at for _, at in takewhile(lambda arrival: arrival[1] < stop, schedule.arrivals())]


@pytest.mark.parametrize(
    ("segments", "until", "count"),
    [
        ([segment(rate="10/s")], 3, 30),
        ([segment(rate="10/s")], 3.05, 31),
        ([segment(rate="7/m")], 60, 7),
        ([segment(rate="1000/s")], 3600, 3_600_000),
        ([segment(source="0/s", to="100/s", for_="10s")], 10, 500),
        ([segment(source="100/s", to="0/s", for_="10s")], 20, 500),
        ([segment(source="20/s", to="100/s", for_="5s"), segment(rate="100/s")], 7, 500),
        ([segment(steps=["10/s", "20/s", "30/s"], each="2s")], 6, 120),
        ([segment(steps=["10/s", "20/s"], each="2s")], 5, 80),
        ([segment(rate="10/s", for_="10s", spike=spike("100/s", "2s", "1s"))], 10, 190),
        ([segment(rate="10/s", spike=spike("100/s", "2s", "1s"))], 20, 290),
        ([segment(rate="10/s", for_="1s")], 5, 50),
        ([segment(rate="0/s", for_="1s"), segment(rate="5/s")], 3, 10),
    ],
)
def test_evenly_spaced_arrivals_are_as_many_as_the_rates_say(
    segments: list[Segment], until: float, count: int
) -> None:
    schedule = Schedule(pieces_of(segments))
    end = round(until * SECOND)
    assert schedule.count(0, end) == count
    assert schedule.expected(0, end) == pytest.approx(count, abs=1)
    if count < 10_000:
        assert len(moments(schedule, until)) == count


def test_a_constant_rate_never_drifts() -> None:
    schedule = Schedule(pieces_of([segment(rate="3/s")]))
    for number, at in schedule.arrivals(0, 9_973):
        assert at == number * SECOND // 3
        if number > 2_000_000:
            break


def test_the_warm_up_comes_at_the_first_rate_and_before_everything() -> None:
    ramp = [segment(source="10/s", to="30/s", for_="10s"), segment(rate="30/s")]
    schedule = Schedule(pieces_of(ramp, warmup=5 * SECOND))
    assert schedule.expected(0, 5 * SECOND) == 50
    assert schedule.expected(5 * SECOND, 15 * SECOND) == 200
    assert schedule.max_rate == 30


@pytest.mark.parametrize(
    ("change", "inside", "highest"),
    [
        (Change(2 * SECOND, 4 * SECOND, factor=Fraction(5)), 100, 50),
        (Change(2 * SECOND, 4 * SECOND, rate=Fraction(100)), 200, 100),
        (Change(2 * SECOND, 4 * SECOND, factor=Fraction(0)), 0, 10),
        (Change(2 * SECOND, None, factor=Fraction(2)), 40, 20),
    ],
)
def test_a_change_of_load_counts_from_the_end_of_the_warm_up(
    change: Change, inside: int, highest: int
) -> None:
    schedule = Schedule(pieces_of([segment(rate="10/s")], 3 * SECOND, [change]))
    assert schedule.expected(5 * SECOND, 7 * SECOND) == inside
    assert schedule.expected(0, 5 * SECOND) == 50
    assert schedule.max_rate == highest
    if change.end is not None:
        assert schedule.expected(7 * SECOND, 8 * SECOND) == 10


def test_changes_that_overlap_apply_one_after_the_other() -> None:
    changes = [
        Change(0, 4 * SECOND, factor=Fraction(2)),
        Change(2 * SECOND, 6 * SECOND, factor=Fraction(3)),
    ]
    schedule = Schedule(pieces_of([segment(rate="10/s")], 0, changes))
    rates = [schedule.expected(at * SECOND, (at + 1) * SECOND) for at in range(7)]
    assert rates == [20, 20, 60, 60, 30, 30, 10]


def test_poisson_gaps_have_the_mean_and_the_spread_of_the_exponential() -> None:
    schedule = Schedule(pieces_of([segment(rate="100/s", spacing="poisson")]), seed=7)
    found = moments(schedule, 500)
    gaps = [(b - a) / SECOND for a, b in pairwise(found)]
    mean = sum(gaps) / len(gaps)
    # 50,000 gaps: the standard error of the mean is 0.45 %, of the deviation about 0.9 %.
    assert mean == pytest.approx(0.01, rel=0.025)
    deviation = math.sqrt(sum((gap - mean) ** 2 for gap in gaps) / len(gaps))
    assert deviation == pytest.approx(0.01, rel=0.05)
    assert schedule.count(0, 500 * SECOND) == len(found)


rates = st.fractions(0, 300, max_denominator=60)
lengths = st.integers(1, 3 * SECOND)


@st.composite
def pieces(draw: st.DrawFn) -> tuple[Piece, ...]:
    now, found = 0, []
    for _ in range(draw(st.integers(0, 4))):
        end = now + draw(lengths)
        found.append(Piece(now, end, draw(rates), draw(rates), draw(st.booleans())))
        now = end
    level = draw(st.fractions(1, 300, max_denominator=60))
    return (*found, Piece(now, None, level, level, draw(st.booleans())))


@settings(deadline=None)
@given(pieces(), st.integers(0, 1000))
def test_arrivals_are_ordered_and_repeatable(shape: tuple[Piece, ...], seed: int) -> None:
    found = moments(Schedule(shape, seed), 5)
    assert found == sorted(found)
    assert all(at >= 0 for at in found)
    assert found == moments(Schedule(shape, seed), 5)


@settings(deadline=None)
@given(pieces(), st.integers(0, 6 * SECOND), st.integers(0, 6 * SECOND))
def test_a_window_holds_as_many_as_the_integral_says(
    shape: tuple[Piece, ...], a: int, b: int
) -> None:
    even = [Piece(p.begin, p.end, p.first, p.last) for p in shape]
    begin, end = sorted((a, b))
    schedule = Schedule(even)
    inside = [at for at in moments(schedule, 6) if begin <= at < end]
    assert abs(len(inside) - schedule.expected(begin, end)) <= 1
    # The square root of a slope rounds; only at the window's very edge may that show.
    assert abs(len(inside) - schedule.count(begin, end)) <= (any(not p.level for p in even))


@settings(deadline=None)
@given(pieces(), st.integers(1, 5))
def test_workers_share_the_arrivals_without_gap_or_overlap(
    shape: tuple[Piece, ...], workers: int
) -> None:
    def until(worker: int, of: int) -> list[tuple[int, int]]:
        arrivals = Schedule(shape, 3).arrivals(worker, of)
        return list(takewhile(lambda arrival: arrival[1] < 4 * SECOND, arrivals))

    parts = [until(worker, workers) for worker in range(workers)]
    assert sorted(chain.from_iterable(parts)) == until(0, 1)
    assert [number for number, _ in until(0, 1)] == list(range(len(until(0, 1))))


def test_a_load_that_has_ended_at_rate_zero_has_no_more_arrivals() -> None:
    schedule = Schedule(
        [Piece(0, SECOND, Fraction(5), Fraction(5)), Piece(SECOND, None, Fraction(0), Fraction(0))]
    )
    assert len(list(schedule.arrivals())) == 5
