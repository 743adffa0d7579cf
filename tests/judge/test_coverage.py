"""Statistics by the book: closed forms, least numbers of samples, and bounds that cover."""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import beta, binom, expon, geom, lognorm, pareto

from sloproof.contracts import Outcome
from sloproof.judge.binomial import decimal
from sloproof.judge.clopper_pearson import (
    lower_bound,
    refuted,
    samples_without_failure,
    shown,
    upper_bound,
)
from sloproof.judge.quantile import lower_rank, rank, upper_rank
from sloproof.judge.ratio import Count, least_samples, needed, of_this_run

SURE = Fraction(95, 100)
LEVELS = [Fraction(text) for text in ("0.5", "0.8", "0.9", "0.95", "0.99", "0.999")]
COVERED = 0.94
"""What a bound of 95 % covers at least in a simulation: 4,000 draws are off by 0.34 % (one sd)."""
DRAWS = 4000


# Closed forms: where a tail has one term, its bound can be written down.


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("total", [1, 2, 10, 59, 299, 5000])
def test_bounds_have_closed_forms_at_the_ends(total: int, level: Fraction) -> None:
    alpha = float(1 - level)
    root = alpha ** (1 / total)
    other = (1 - alpha) ** (1 / total)
    close = pytest.approx
    assert float(lower_bound(total, total, level)) == close(root, rel=1e-12)
    assert float(upper_bound(0, total, level)) == close(1 - root, rel=1e-9)
    # P(X ≥ 1) = 1 − (1 − p)^n and P(X ≤ n − 1) = 1 − p^n.
    assert float(lower_bound(1, total, level)) == close(root if total == 1 else 1 - other, rel=1e-9)
    assert float(upper_bound(total - 1, total, level)) == close(
        1 - root if total == 1 else other, rel=1e-12
    )
    assert lower_bound(0, total, level) == 0
    assert upper_bound(total, total, level) == 1


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("total", [7, 100, 1234])
def test_bounds_agree_with_scipy_at_every_count(total: int, level: Fraction) -> None:
    alpha = float(1 - level)
    for good in range(1, total, max(1, total // 10)):
        low = beta.ppf(alpha, good, total - good + 1)
        high = beta.ppf(1 - alpha, good + 1, total - good)
        assert float(lower_bound(good, total, level)) == pytest.approx(low, rel=1e-9)
        assert float(upper_bound(good, total, level)) == pytest.approx(high, rel=1e-9)


# Order statistics: the textbook's numbers (David and Nagaraja, §7.1; Wilks 1941 for the largest).


@pytest.mark.parametrize(
    ("quantile", "samples"), [("0.5", 5), ("0.9", 29), ("0.95", 59), ("0.99", 299), ("0.999", 2995)]
)
def test_the_largest_of_so_many_values_bounds_a_quantile(quantile: str, samples: int) -> None:
    q = Fraction(quantile)
    assert upper_rank(samples, q, SURE) == samples
    assert upper_rank(samples - 1, q, SURE) is None
    assert samples == math.ceil(math.log(0.05) / math.log(float(q)))


@pytest.mark.parametrize(
    ("total", "low", "high"),
    # One-sided 95 % ranks of the median: sums of binomial coefficients over 2^n.
    [(5, 1, 5), (10, 2, 9), (20, 6, 15), (50, 19, 32), (100, 42, 59)],
)
def test_the_median_lies_between_known_ranks(total: int, low: int, high: int) -> None:
    half = Fraction(1, 2)
    assert (lower_rank(total, half, SURE), upper_rank(total, half, SURE)) == (low, high)
    tail = sum(math.comb(total, k) for k in range(low)) / 2**total
    assert tail <= 0.05 < tail + math.comb(total, low) / 2**total


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("quantile", ["0.5", "0.9", "0.99"])
@pytest.mark.parametrize("total", [10, 100, 999, 3000])
def test_ranks_are_the_tightest_that_hold(total: int, quantile: str, level: Fraction) -> None:
    q = Fraction(quantile)
    alpha, p = float(1 - level), float(q)
    upper, lower = upper_rank(total, q, level), lower_rank(total, q, level)
    if upper is None:
        assert binom.sf(total - 1, total, p) > alpha
    else:
        assert binom.sf(upper - 1, total, p) <= alpha + 1e-12
        assert upper == 1 or binom.sf(upper - 2, total, p) > alpha - 1e-12
    if lower is None:
        assert binom.cdf(0, total, p) > alpha
    else:
        assert binom.cdf(lower - 1, total, p) <= alpha + 1e-12
        assert lower == total or binom.cdf(lower, total, p) > alpha - 1e-12
        assert upper is None or lower <= rank(total, q) <= upper


# Least numbers of samples.


@pytest.mark.parametrize("level", LEVELS[2:])
@pytest.mark.parametrize("target", ["0.9", "0.99", "0.995", "0.999", "0.9999", "0.99999"])
def test_the_least_number_of_samples_shows_and_one_less_does_not(
    target: str, level: Fraction
) -> None:
    wanted = Fraction(target)
    least = samples_without_failure(wanted, level)
    assert least == math.ceil(math.log(1 - float(level)) / math.log(float(wanted)))
    assert least == least_samples(wanted, general=True, confidence=level)
    assert shown(least, least, wanted, level)
    assert not shown(least - 1, least - 1, wanted, level)


@pytest.mark.parametrize(
    ("target", "least"), [("0.9", 10), ("0.99", 100), ("0.995", 200), ("0.999", 1000), ("1", 1)]
)
def test_the_least_number_for_this_run_affords_one_failure(target: str, least: int) -> None:
    wanted = Fraction(target)
    assert needed(wanted) == least == least_samples(wanted, general=False, confidence=SURE)
    assert of_this_run(Count(least, least), wanted).outcome is Outcome.PASS
    if least > 1:
        assert of_this_run(Count(least - 1, least - 1), wanted).outcome is Outcome.INCONCLUSIVE
        assert of_this_run(Count(least - 1, least), wanted).outcome is Outcome.PASS
        assert of_this_run(Count(least - 2, least), wanted).outcome is Outcome.FAIL


# Coverage, where the model holds: independent requests.


def tallied(draws: NDArray[np.int64]) -> dict[int, int]:
    """How often each value was drawn."""
    values, often = np.unique(draws, return_counts=True)
    return dict(zip(values.tolist(), often.tolist(), strict=True))


@cache
def lower(good: int, total: int) -> Decimal:
    return lower_bound(good, total, SURE)


@cache
def upper(good: int, total: int) -> Decimal:
    return upper_bound(good, total, SURE)


@pytest.mark.parametrize("p", ["0.5", "0.9", "0.97", "0.99", "0.999"])
@pytest.mark.parametrize("total", [10, 59, 400, 1000])
def test_bounds_cover_the_true_share_as_often_as_they_promise(total: int, p: str) -> None:
    truth = decimal(Fraction(p))
    goods = np.random.default_rng(total).binomial(total, float(truth), DRAWS)
    counts = tallied(goods)
    below = sum(often for good, often in counts.items() if lower(good, total) <= truth)
    above = sum(often for good, often in counts.items() if upper(good, total) >= truth)
    assert below >= COVERED * DRAWS
    assert above >= COVERED * DRAWS


@pytest.mark.parametrize("total", [20, 100])
@pytest.mark.parametrize("p", [Fraction(n, 20) for n in range(1, 20, 3)])
def test_coverage_is_exactly_what_was_promised_or_more(total: int, p: Fraction) -> None:
    """Not simulated: the probabilities of all counts whose bound holds, added up."""
    truth = decimal(p)
    chance = binom.pmf(np.arange(total + 1), total, float(p))
    below = [lower(good, total) <= truth for good in range(total + 1)]
    above = [upper(good, total) >= truth for good in range(total + 1)]
    assert chance[below].sum() >= 0.95 - 1e-12
    assert chance[above].sum() >= 0.95 - 1e-12


@pytest.mark.parametrize("total", [500, 2000])
@pytest.mark.parametrize("target", ["0.9", "0.99", "0.999"])
def test_at_the_target_itself_a_false_verdict_is_as_rare_as_was_said(
    total: int, target: str
) -> None:
    wanted = Fraction(target)
    goods = np.random.default_rng(1).binomial(total, float(wanted), DRAWS)
    falsely = {Outcome.PASS: 0, Outcome.FAIL: 0, Outcome.INCONCLUSIVE: 0}
    for good, often in tallied(goods).items():
        verdict = Outcome.INCONCLUSIVE
        if shown(good, total, wanted, SURE):
            verdict = Outcome.PASS
        elif refuted(good, total, wanted, SURE):
            verdict = Outcome.FAIL
        falsely[verdict] += often
    assert falsely[Outcome.PASS] <= (1 - COVERED) * DRAWS
    assert falsely[Outcome.FAIL] <= (1 - COVERED) * DRAWS


SHAPES: dict[str, Any] = {
    "exponential": expon(scale=20),
    "lognormal": lognorm(1.2, scale=20),
    "heavy tail": pareto(1.1, scale=5),
    "ties": geom(0.05),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("quantile", ["0.5", "0.9", "0.95", "0.99"])
@pytest.mark.parametrize("total", [59, 299, 1000])
def test_ranks_cover_the_true_quantile_whatever_the_distribution(
    total: int, quantile: str, shape: str
) -> None:
    q, truth = Fraction(quantile), SHAPES[shape].ppf(float(Fraction(quantile)))
    draws = 2000
    values: NDArray[np.float64] = np.sort(
        SHAPES[shape].rvs((draws, total), random_state=np.random.default_rng(3)), axis=1
    )
    low, high = lower_rank(total, q, SURE), upper_rank(total, q, SURE)
    # 2,000 draws are off by 0.5 % (one sd).
    if low is not None:
        assert np.count_nonzero(values[:, low - 1] <= truth) >= (COVERED - 0.005) * draws
    if high is not None:
        assert np.count_nonzero(values[:, high - 1] >= truth) >= (COVERED - 0.005) * draws


# And where it does not hold.


def test_across_correlated_failures_only_the_run_is_a_unit_that_can_be_counted() -> None:
    """One run in twenty has an outage that costs a tenth of its requests; the rest lose none.

    Counted request by request, twenty runs look like 20,000 independent trials: their bound
    promises 95 % and holds in little more than half of the cases, for no outage at all among twenty
    runs (36 %) "shows" 99.985 %. Counted run by run, the bound holds as promised.
    """
    runs, requests, outage, lost = 20, 1000, 0.05, 100
    truth = decimal(1 - Fraction("0.05") * Fraction(lost, requests))
    share_of_runs = decimal(Fraction("0.95"))
    outages = tallied(np.random.default_rng(11).binomial(runs, outage, DRAWS))
    total = runs * requests

    def share(holds: Callable[[int], bool]) -> float:
        return sum(often for n, often in outages.items() if holds(n)) / DRAWS

    by_request = share(lambda n: lower(total - lost * n, total) <= truth)
    by_run = share(lambda n: lower(runs - n, runs) <= share_of_runs)
    assert by_request < 0.70
    assert by_run >= COVERED
    # A request-wise claim would pass 99.9 %, which is false, in a third of the cases.
    assert share(lambda n: shown(total - lost * n, total, Fraction("0.999"), SURE)) > 0.3
    # And it would refute 99.4 %, which is true, whenever chance sends a few outages too many.
    assert share(lambda n: refuted(total - lost * n, total, Fraction("0.994"), SURE)) > 0.05
