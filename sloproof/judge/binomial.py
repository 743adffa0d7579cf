"""Tails of the binomial distribution in decimal arithmetic, for any number of requests.

The same figures on every machine: `decimal` is specified to the last digit, floats' logarithms are
not. Everything rests on the regularised incomplete beta function I_x(a, b).
"""

from __future__ import annotations

import math
from decimal import Context, Decimal, localcontext
from fractions import Fraction
from functools import cache

DIGITS = 45
_CONTEXT = Context(prec=DIGITS)
_NEGLIGIBLE = Decimal(10) ** -(DIGITS - 8)
_EXACT_BELOW = 64
_STIRLING_TERMS = 18
_TINY = Decimal("1e-900000")
_PI = Decimal("3.14159265358979323846264338327950288419716939937510582097494459")


def decimal(value: Fraction) -> Decimal:
    """A fraction to `DIGITS` significant digits."""
    return _CONTEXT.divide(Decimal(value.numerator), Decimal(value.denominator))


def at_least(successes: int, trials: int, p: Decimal) -> Decimal:
    """P(X ≥ `successes`) for X binomial: I_p(k, n − k + 1) (DLMF 8.17.5)."""
    if successes <= 0:
        return Decimal(1)
    if successes > trials:
        return Decimal(0)
    return incomplete_beta(successes, trials - successes + 1, p)


def at_most(successes: int, trials: int, p: Decimal) -> Decimal:
    """P(X ≤ `successes`) for X binomial."""
    return at_least(trials - successes, trials, _CONTEXT.subtract(Decimal(1), p))


def incomplete_beta(a: int, b: int, x: Decimal) -> Decimal:
    """I_x(a, b) for whole `a`, `b` ≥ 1 by its continued fraction (DLMF 8.17.22).

    Where the fraction converges slowly the symmetry I_x(a, b) = 1 − I_(1−x)(b, a) is used.
    """
    if x <= 0:
        return Decimal(0)
    if x >= 1:
        return Decimal(1)
    with localcontext(_CONTEXT):
        if x * (a + b + 2) > a + 1:
            return 1 - _converging(b, a, 1 - x)
        return _converging(a, b, x)


def beta_density(a: int, b: int, x: Decimal) -> Decimal:
    """The derivative of I_x(a, b) by x."""
    with localcontext(_CONTEXT):
        return (_log_power(a, b, x) - x.ln() - (1 - x).ln()).exp()


def _converging(a: int, b: int, x: Decimal) -> Decimal:
    front = (_log_power(a, b, x) - Decimal(a).ln()).exp()
    return front / _continued_fraction(a, b, x)


def _log_power(a: int, b: int, x: Decimal) -> Decimal:
    """ln of x^a (1 − x)^b / B(a, b)."""
    log_beta = _log_factorial(a - 1) + _log_factorial(b - 1) - _log_factorial(a + b - 1)
    return a * x.ln() + b * (1 - x).ln() - log_beta


def _continued_fraction(a: int, b: int, x: Decimal) -> Decimal:
    """The denominator 1 + d1/(1 + d2/(1 + …)), by the modified Lentz algorithm (DLMF 3.10)."""
    value, c, d = Decimal(1), Decimal(1), Decimal(0)
    step = 0
    while True:
        step += 1
        half, odd = divmod(step, 2)
        if odd:
            term = -Decimal((a + half) * (a + b + half)) * x
            term /= (a + 2 * half) * (a + 2 * half + 1)
        else:
            term = Decimal(half * (b - half)) * x / ((a + 2 * half - 1) * (a + 2 * half))
        d = 1 / ((1 + term * d) or _TINY)
        c = (1 + term / c) or _TINY
        change = c * d
        value *= change
        if abs(change - 1) < _NEGLIGIBLE:
            return value


@cache
def _bernoulli(terms: int) -> tuple[Fraction, ...]:
    """B_0 … B_(terms − 1), by their recurrence (DLMF 24.5.3)."""
    found = [Fraction(1)]
    for m in range(1, terms):
        total = sum((math.comb(m + 1, k) * found[k] for k in range(m)), Fraction(0))
        found.append(-total / (m + 1))
    return tuple(found)


def _log_factorial(n: int) -> Decimal:
    """ln n!: exact for small n, else by Stirling's series (DLMF 5.11.1)."""
    if n < _EXACT_BELOW:
        return Decimal(math.factorial(n)).ln()
    z = Decimal(n + 1)
    total = (z - Decimal("0.5")) * z.ln() - z + (2 * _PI).ln() / 2
    numbers = _bernoulli(2 * _STIRLING_TERMS + 1)
    for k in range(1, _STIRLING_TERMS + 1):
        total += decimal(numbers[2 * k]) / (2 * k * (2 * k - 1) * z ** (2 * k - 1))
    return total
