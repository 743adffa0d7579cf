"""Burn-rate alerts that would have fired, and when.

Multi-window, multi-burn-rate alerts after the Site Reliability Workbook (2018), chapter 5: an
alert fires while both its windows burn the budget at `threshold` times the sustainable rate.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from sloproof.contracts import Duration, Window
from sloproof.judge.indicator import Selection, limit_ns, share
from sloproof.judge.requests import Requests
from sloproof.judge.wording import period
from sloproof.spec.objectives import (
    BurnRateAlert,
    QuantileIndicator,
    RatioIndicator,
    SignalIndicator,
    Slo,
)

STEPS = 20
"""An alert is evaluated so often within its shortest window."""
MOST_BINS = 50_000


@dataclass(frozen=True, slots=True)
class Fired:
    """An alert that would have fired; `note` names windows that were rescaled to the run."""

    slo: str
    alert: str
    severity: str
    at: int
    note: str


@dataclass(frozen=True, slots=True, eq=False)
class Burn:
    """Bad and all requests up to the end of each bin, so that any trailing window is a difference.

    `bin` is the width of a bin in nanoseconds.
    """

    bad: NDArray[np.int64]
    total: NDArray[np.int64]
    bin: int

    def exceeds(self, length: int, limit: Fraction) -> NDArray[np.bool_]:
        """Whether the share of bad ones in the trailing `length` reaches `limit`, at each bin."""
        bins = max(1, round(Fraction(length, self.bin)))
        begin = np.maximum(np.arange(len(self.bad)) - bins, -1)
        bad = self.bad - np.where(begin < 0, 0, self.bad[begin])
        total = self.total - np.where(begin < 0, 0, self.total[begin])
        reached: NDArray[np.bool_] = bad * limit.denominator >= total * limit.numerator
        return reached & (bad > 0)


def fired_alerts(requests: Requests, slo: Slo, run: Window) -> tuple[Fired, ...]:
    """The alerts of `slo` that would have fired during the run, by its strictest objective."""
    if isinstance(slo.indicator, SignalIndicator) or not slo.alerts or run.end <= run.begin:
        return ()
    scale = _scale(slo.alerts, run)
    target = max(share(slo.indicator, objective) for objective in slo.objectives)
    burn = _burn(requests, slo, slo.indicator, run, scale)
    found = [_fired(slo, alert, burn, target, run, scale) for alert in slo.alerts]
    return tuple(each for each in found if each is not None)


def _scale(alerts: tuple[BurnRateAlert, ...], run: Window) -> Fraction:
    """By how much the windows shrink so that the longest one fits into the run; 1 for not."""
    longest = max(alert.long.ns for alert in alerts)
    return min(Fraction(1), Fraction(run.end - run.begin, longest))


def _shortest(alert: BurnRateAlert) -> int:
    return alert.long.ns if alert.short is None else alert.short.ns


def _burn(
    requests: Requests,
    slo: Slo,
    indicator: RatioIndicator | QuantileIndicator,
    run: Window,
    scale: Fraction,
) -> Burn:
    objective = max(slo.objectives, key=lambda each: share(slo.indicator, each))
    selection = Selection(requests, indicator, limit_ns(objective))
    length = run.end - run.begin
    shortest = int(min(map(_shortest, slo.alerts)) * scale)
    width = max(1, shortest // STEPS, -(-length // MOST_BINS))
    bins = -(-length // width)
    bad, total = np.zeros(bins, dtype=np.int64), np.zeros(bins, dtype=np.int64)
    for chunk, rows in requests.rows(run):
        counted = selection.total(chunk, rows)
        good = selection.good(chunk, counted)
        places = (chunk.intended - run.begin) // width
        total += np.bincount(places[counted], minlength=bins)
        bad += np.bincount(places[counted & ~good], minlength=bins)
    return Burn(np.cumsum(bad), np.cumsum(total), width)


def _fired(
    slo: Slo,
    alert: BurnRateAlert,
    burn: Burn,
    target: Fraction,
    run: Window,
    scale: Fraction,
) -> Fired | None:
    limit = min(Fraction(1), alert.threshold * (1 - target))
    windows = [alert.long] + ([alert.short] if alert.short is not None else [])
    firing = np.ones(len(burn.bad), dtype=bool)
    for window in windows:
        firing &= burn.exceeds(int(window.ns * scale), limit)
    # Before the shortest window has filled once, a share is that of a few requests.
    firing[: max(0, int(_shortest(alert) * scale) // burn.bin - 1)] = False
    found = np.flatnonzero(firing)
    if not len(found):
        return None
    at = min(run.begin + (int(found[0]) + 1) * burn.bin, run.end)
    return Fired(slo.name, alert.name, alert.severity, at, _note(windows, scale))


def _note(windows: list[Duration], scale: Fraction) -> str:
    if scale == 1:
        return ""
    changes = ", ".join(
        f"{period(window.ns)} → {period(int(window.ns * scale))}" for window in windows
    )
    return f"windows rescaled to the length of the run: {changes}"
