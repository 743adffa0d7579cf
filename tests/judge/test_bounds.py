"""Exact bounds, beside scipy's."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import beta, binom

from sloproof.judge.binomial import at_least, at_most, decimal
from sloproof.judge.clopper_pearson import (
    lower_bound,
    refuted,
    samples_that_would_do,
    samples_without_failure,
    shown,
    upper_bound,
)
from sloproof.judge.quantile import at_ranks, lower_rank, rank, upper_rank
from sloproof.record.schema import NEVER

SURE = Fraction(95, 100)


@pytest.mark.parametrize(
    ("good", "total"),
    [(0, 1), (1, 1), (0, 7), (3, 5), (50, 100), (299, 299), (998, 1000), (2990, 2995), (1, 10**6),
     (10**6 - 7, 10**6), (10**7 - 10**4, 10**7), (5 * 10**6, 10**7)],
)  # fmt: skip
def test_clopper_pearson_agrees_with_scipy(good: int, total: int) -> None:
    low = beta.ppf(0.05, good, total - good + 1) if good else 0.0
    high = beta.ppf(0.95, good + 1, total - good) if good < total else 1.0
    assert float(lower_bound(good, total, SURE)) == pytest.approx(low, rel=1e-9, abs=1e-12)
    assert float(upper_bound(good, total, SURE)) == pytest.approx(high, rel=1e-9, abs=1e-12)


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 3000), st.data(), st.sampled_from(["0.5", "0.9", "0.95", "0.99"]))
def test_clopper_pearson_agrees_with_scipy_anywhere(
    total: int, data: st.DataObject, level: str
) -> None:
    good = data.draw(st.integers(0, total))
    sure = Fraction(level)
    low = beta.ppf(float(1 - sure), good, total - good + 1) if good else 0.0
    high = beta.ppf(float(sure), good + 1, total - good) if good < total else 1.0
    assert abs(float(lower_bound(good, total, sure)) - low) < 1e-9
    assert abs(float(upper_bound(good, total, sure)) - high) < 1e-9


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 5000), st.data())
def test_binomial_tails_agree_with_scipy(total: int, data: st.DataObject) -> None:
    k = data.draw(st.integers(-1, total + 1))
    p = data.draw(st.fractions(Fraction(1, 1000), Fraction(999, 1000), max_denominator=1000))
    assert float(at_most(k, total, decimal(p))) == pytest.approx(
        binom.cdf(k, total, float(p)), abs=1e-9
    )
    assert float(at_least(k, total, decimal(p))) == pytest.approx(
        binom.sf(k - 1, total, float(p)), abs=1e-9
    )


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 2000), st.data())
def test_shown_and_refuted_say_what_the_bounds_say(total: int, data: st.DataObject) -> None:
    good = data.draw(st.integers(0, total))
    target = data.draw(st.sampled_from([Fraction(1, 2), Fraction(9, 10), Fraction(999, 1000)]))
    assert shown(good, total, target, SURE) == (lower_bound(good, total, SURE) >= decimal(target))
    assert refuted(good, total, target, SURE) == (upper_bound(good, total, SURE) < decimal(target))


@pytest.mark.parametrize(("target", "samples"), [("0.99", 299), ("0.999", 2995), ("0.9999", 29956)])
def test_zero_failures_prove_a_target_from_known_numbers_of_samples(
    target: str, samples: int
) -> None:
    assert samples_without_failure(Fraction(target), SURE) == samples
    assert shown(samples, samples, Fraction(target), SURE)
    assert not shown(samples - 1, samples - 1, Fraction(target), SURE)


@pytest.mark.parametrize(("bad", "total"), [(1, 1000), (2, 5000), (30, 1000), (0, 10)])
def test_the_samples_that_would_do_do(bad: int, total: int) -> None:
    target = Fraction(99, 100)
    enough = samples_that_would_do(total - bad, total, target, SURE)
    assert enough is not None
    good = enough - round(Fraction(bad * enough, total))
    assert shown(good, enough, target, SURE) or refuted(good, enough, target, SURE)


def test_no_number_of_samples_decides_a_share_that_equals_the_target() -> None:
    assert samples_that_would_do(99, 100, Fraction(99, 100), SURE) is None


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 3000), st.sampled_from(["0.5", "0.9", "0.95", "0.99", "0.999"]))
def test_ranks_of_bounds_agree_with_scipy(total: int, quantile: str) -> None:
    q = Fraction(quantile)
    upper, lower = upper_rank(total, q, SURE), lower_rank(total, q, SURE)
    # The lowest u with P(X ≤ u − 1) ≥ 95 %, the highest l with P(X ≥ l) ≥ 95 %.
    u = int(binom.ppf(0.95, total, float(q))) + 1
    assert upper == (u if u <= total else None)
    low = int(binom.ppf(0.05, total, float(q)))
    assert lower in ((low or None), (low - 1 or None), (low + 1 or None))
    if lower is not None:
        assert binom.sf(lower - 1, total, float(q)) >= 0.95 - 1e-12
        assert binom.sf(lower, total, float(q)) < 0.95 + 1e-12


@pytest.mark.parametrize(
    ("total", "quantile", "expected"),
    [(1, "0.99", 1), (100, "0.99", 99), (101, "0.99", 100), (4, "0.5", 2), (5, "0.5", 3),
     (10, "1", 10), (10, "0.0001", 1), (1000, "0.999", 999)],
)  # fmt: skip
def test_the_quantile_is_an_observed_value(total: int, quantile: str, expected: int) -> None:
    assert rank(total, Fraction(quantile)) == expected


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(0, 10**12), min_size=1, max_size=300), st.data())
def test_values_at_ranks_are_those_of_the_sorted_list(
    values: list[int], data: st.DataObject
) -> None:
    wanted = data.draw(st.lists(st.integers(1, len(values)), min_size=1, max_size=3))
    found = at_ranks(np.array(values, dtype=np.int64), *wanted)
    assert found == [sorted(values)[position - 1] for position in wanted]


def test_a_value_that_never_came_is_none() -> None:
    assert at_ranks(np.array([NEVER, 5], dtype=np.int64), 1, 2) == [5, None]


def test_the_intervals_cover_as_often_as_they_promise() -> None:
    chance = np.random.default_rng(7)
    goods = chance.binomial(400, 0.97, size=600)
    covered = sum(lower_bound(int(good), 400, SURE) <= decimal(Fraction("0.97")) for good in goods)
    assert covered >= 0.94 * 600


def test_the_samples_that_would_do_are_found_among_few() -> None:
    """Below a hundred no two numbers are within a hundredth of each other: it must end all same."""
    assert samples_that_would_do(29, 30, Fraction(9, 10), SURE) == 61
