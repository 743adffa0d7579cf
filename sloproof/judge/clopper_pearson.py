"""Exact one-sided bounds for a share of good ones, after Clopper and Pearson.

C. J. Clopper, E. S. Pearson: The use of confidence or fiducial limits illustrated in the case of
the binomial. Biometrika 26 (1934) 404–413.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction

from sloproof.judge.binomial import (
    at_least,
    at_most,
    beta_density,
    decimal,
    incomplete_beta,
)

MOST_SAMPLES = 10**8
"""No advice beyond this many samples: nobody runs such a test."""
_CLOSE = Decimal("1e-24")


def lower_bound(good: int, total: int, confidence: Fraction) -> Decimal:
    """The share that the true one exceeds with `confidence`, from `good` of `total`."""
    alpha = decimal(1 - confidence)
    if good <= 0 or total <= 0:
        return Decimal(0)
    if good >= total:
        return (alpha.ln() / total).exp()
    return _solve(good, total - good + 1, alpha)


def upper_bound(good: int, total: int, confidence: Fraction) -> Decimal:
    """The share that the true one stays below with `confidence`."""
    return 1 - lower_bound(total - good, total, confidence) if total > 0 else Decimal(1)


def shown(good: int, total: int, target: Fraction, confidence: Fraction) -> bool:
    """Whether the lower bound meets `target`; decided on the tail itself, never rounded."""
    if total <= 0 or target >= 1:
        return False
    return at_least(good, total, decimal(target)) <= decimal(1 - confidence)


def refuted(good: int, total: int, target: Fraction, confidence: Fraction) -> bool:
    """Whether the upper bound misses `target`."""
    if total <= 0:
        return False
    if target >= 1:
        return good < total
    return at_most(good, total, decimal(target)) < decimal(1 - confidence)


def samples_without_failure(target: Fraction, confidence: Fraction) -> int:
    """How many samples show `target` if every one is good: ⌈ln(1 − confidence) / ln target⌉."""
    if not 0 < target < 1:
        return MOST_SAMPLES if target >= 1 else 1
    ratio = decimal(1 - confidence).ln() / decimal(target).ln()
    return max(1, int(ratio.to_integral_value(rounding="ROUND_CEILING")))


def samples_that_would_do(
    good: int, total: int, target: Fraction, confidence: Fraction
) -> int | None:
    """About how many samples decide, should the share stay as it is; None where none would.

    Exact where no failure was seen; else to within a hundredth, rounded up to three digits.
    """
    bad = total - good
    if bad == 0:
        return samples_without_failure(target, confidence) if target < 1 else None
    decided: Callable[[int, int, Fraction, Fraction], bool]
    decided = shown if Fraction(good, total) > target else refuted

    def enough(samples: int) -> bool:
        return decided(samples - round(Fraction(bad * samples, total)), samples, target, confidence)

    low = high = max(total, 1)
    while not enough(high):
        low, high = high, high * 2
        if high > MOST_SAMPLES:
            return None
    while high - low > 1 and (high - low) * 100 > high:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    unit: int = 10 ** max(0, len(str(high)) - 3)
    return -(-high // unit) * unit


def _solve(a: int, b: int, level: Decimal) -> Decimal:
    """The x with I_x(a, b) = `level`: Newton's steps, halved intervals where these leave.

    They begin where a normal distribution would have its lower 5 %, which is near enough.
    """
    low, high = Decimal(0), Decimal(1)
    mean = Decimal(a) / (a + b)
    spread = (mean * (1 - mean) / (a + b + 1)).sqrt()
    x = max(mean - spread * Decimal("1.645"), mean / 2)
    while True:
        error = incomplete_beta(a, b, x) - level
        low, high = (low, x) if error > 0 else (x, high)
        slope = beta_density(a, b, x)
        step = x - error / slope if slope else low
        if abs(step - x) <= _CLOSE * x:
            return +step
        x = step if low < step < high else (low + high) / 2
