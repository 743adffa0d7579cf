"""Indicators over a window: good and all requests, latencies, samples of a signal."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from sloproof.contracts import Source, Window
from sloproof.judge.matching import counts, is_good
from sloproof.judge.ratio import Count
from sloproof.judge.requests import Chunk, Requests
from sloproof.record.reader import Record
from sloproof.record.schema import NEVER, RequestOutcome
from sloproof.spec.objectives import (
    Indicator,
    Matcher,
    Objective,
    QuantileIndicator,
    RatioIndicator,
    SignalIndicator,
)

SECOND = 1_000_000_000
COMPARISONS: dict[str, Callable[[Fraction, Fraction], bool]] = {
    "lte": operator.le,
    "lt": operator.lt,
    "gte": operator.ge,
    "gt": operator.gt,
}
Rows = NDArray[np.bool_]


def source_of(indicator: Indicator) -> Source:
    """Which part of the record an indicator reads."""
    return Source.SIGNALS if isinstance(indicator, SignalIndicator) else Source.REQUESTS


def share(indicator: Indicator, objective: Objective, target: Fraction | None = None) -> Fraction:
    """The least share of good ones that an objective asks for; `target` relaxes it."""
    if target is not None:
        return target
    if isinstance(indicator, QuantileIndicator):
        return indicator.quantile.value
    return Fraction(1) if objective.target is None else objective.target.value


class Selection:
    """The good and the counted rows of a chunk, for one indicator and objective.

    For a quantile a request is good where its latency meets `limit` (in whole nanoseconds).
    """

    def __init__(
        self, requests: Requests, indicator: RatioIndicator | QuantileIndicator, limit: int | None
    ) -> None:
        sorts = requests.sorts
        if isinstance(indicator, RatioIndicator):
            good, self._within = indicator.good, _ns(indicator.good)
            good_sorts = [is_good(good, s) and counts(indicator.total, s) for s in sorts]
        else:
            self._within = limit
            good_sorts = [s.outcome is RequestOutcome.OK for s in sorts]
        self._total_within = _ns(indicator.total)
        self._total_sorts = np.array([counts(indicator.total, s) for s in sorts], dtype=bool)
        if isinstance(indicator, QuantileIndicator) and indicator.latency_of == "good":
            self._total_sorts &= np.array(good_sorts, dtype=bool)
        self._good_sorts = np.array(good_sorts, dtype=bool) & self._total_sorts

    def total(self, chunk: Chunk, rows: Rows | slice) -> Rows:
        """Which rows count."""
        return self._chosen(chunk, rows, self._total_sorts, self._total_within)

    def good(self, chunk: Chunk, total: Rows) -> Rows:
        """Which of the counted rows are good."""
        return self._chosen(chunk, total, self._good_sorts, self._within)

    @staticmethod
    def _chosen(
        chunk: Chunk, rows: Rows | slice, sorts: NDArray[np.bool_], within: int | None
    ) -> Rows:
        chosen: Rows = sorts[chunk.sort]
        if not isinstance(rows, slice):
            chosen &= rows
        if within is not None:
            chosen &= chunk.latency <= within
        return chosen


def good_of(
    requests: Requests,
    indicator: RatioIndicator | QuantileIndicator,
    limit: int | None,
    window: Window,
) -> Count:
    """How many requests of a window were good, of how many that count."""
    selection = Selection(requests, indicator, limit)
    good = total = 0
    for chunk, rows in requests.rows(window):
        counted = selection.total(chunk, rows)
        total += int(np.count_nonzero(counted))
        good += int(np.count_nonzero(selection.good(chunk, counted)))
    return Count(good, total)


def latencies_of(
    requests: Requests, indicator: QuantileIndicator, window: Window
) -> NDArray[np.int64]:
    """The latencies that a quantile is taken of; what is not OK is NEVER, infinitely late."""
    selection = Selection(requests, indicator, None)
    room = np.empty(requests.count(window), dtype=np.int64)
    filled = 0
    for chunk, rows in requests.rows(window):
        counted = selection.total(chunk, rows)
        latencies = chunk.finite(counted)
        latencies[~selection.good(chunk, counted)[counted]] = NEVER
        room[filled : filled + len(latencies)] = latencies
        filled += len(latencies)
    return room[:filled]


def limit_ns(objective: Objective) -> int | None:
    """The greatest whole latency that meets a quantile's bound, in nanoseconds."""
    if objective.limit is None:
        return None
    limit = objective.limit * SECOND
    return math.ceil(limit) - 1 if objective.op == "lt" else math.floor(limit)


def signal_of(
    record: Record, indicator: SignalIndicator, objective: Objective, window: Window
) -> Count:
    """How many samples of a signal met the bound; one that is not a number met nothing."""
    good = total = 0
    for time, value, _ in record.signal(indicator.signal):
        if window.begin <= time < window.end:
            total += 1
            good += _meets(value, objective)
    return Count(good, total)


def _meets(value: float, objective: Objective) -> bool:
    """Compared as the decimal that the sample reads as, so that 0.9 is at most 0.9."""
    if objective.limit is None or not math.isfinite(value):
        return False
    return COMPARISONS[objective.op](Fraction(repr(value)), objective.limit)


def _ns(matcher: Matcher) -> int | None:
    return None if matcher.within is None else matcher.within.ns
