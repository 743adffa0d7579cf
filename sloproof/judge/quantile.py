"""Quantiles as order statistics: a value that was observed, and ranks that bound the true one.

H. A. David, H. N. Nagaraja: Order Statistics, 3rd edition (2003), §7.1.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sloproof.judge.binomial import at_least, at_most, decimal
from sloproof.record.schema import NEVER


def rank(total: int, quantile: Fraction) -> int:
    """Which of `total` sorted values, counted from 1, is the quantile: the ⌈q·n⌉-th."""
    return min(max(1, math.ceil(quantile * total)), total)


def upper_rank(total: int, quantile: Fraction, confidence: Fraction) -> int | None:
    """The lowest rank whose value is at least the true quantile with `confidence`, if any is."""
    q, alpha = decimal(quantile), decimal(1 - confidence)
    return _first(1, total, lambda u: at_least(u, total, q) <= alpha)


def lower_rank(total: int, quantile: Fraction, confidence: Fraction) -> int | None:
    """The highest rank whose value is at most the true quantile with `confidence`, if any is."""
    q, alpha = decimal(quantile), decimal(1 - confidence)
    beyond = _first(1, total, lambda u: at_most(u - 1, total, q) > alpha)
    found = total if beyond is None else beyond - 1
    return found or None


def at_ranks(values: NDArray[np.integer[Any]], *ranks: int) -> list[int | None]:
    """The values at these ranks; None where a value is NEVER. Reorders `values` in place."""
    if ranks:
        values.partition(sorted({position - 1 for position in ranks}))
    found = [int(values[position - 1]) for position in ranks]
    return [None if value == NEVER else value for value in found]


def _first(low: int, high: int, holds: Callable[[int], bool]) -> int | None:
    """The first whole number in [low, high] for which `holds`, which once true stays true."""
    if high < low or not holds(high):
        return None
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle + 1, high)
    return low
