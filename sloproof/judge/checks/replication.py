"""The claim that what is written on the primary is soon visible on each standby."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from sloproof.contracts import (
    Check,
    Duration,
    Evidence,
    Finding,
    Number,
    Outcome,
    Source,
    StoreName,
    Window,
)
from sloproof.contracts.probe import UNFINISHED
from sloproof.judge.faults import ProvenFault
from sloproof.judge.reigns import copies_of
from sloproof.judge.study import faults_of
from sloproof.judge.wording import SECOND, after_warm_up, at, count, listed, seconds, span
from sloproof.model.verdict import worst
from sloproof.record.reader import Record, Samples

UNMEASURED = Fraction(1, 100)
"""The greatest share of writes of which nobody knows when they came."""
PROMOTED = "promoted"
AWAITED = 0.1
"""A write that waited longer, in seconds, was sent while the copy still was a standby."""
NO_STANDBY = ("no primary", PROMOTED)
"""What a probe says where nothing can be late: the copy is the primary, or there is none."""

Part = tuple[Outcome, str, tuple[Number, ...]]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Lag:
    """The writes towards one standby: how long each took at least, and whether that is all."""

    copy: str
    sent: NDArray[np.int64]
    finished: NDArray[np.int64]
    took: NDArray[np.float64]
    """In seconds; NaN where it never was a matter of time."""
    complete: Flags
    cut_short: NDArray[np.int64]
    """When the writes were sent that had not come when the copy was promoted."""

    @classmethod
    def of(cls, copy: str, samples: Samples) -> Lag:
        """As its probe measured it; samples of what was no standby are left out."""
        counts = ~np.isin(samples.detail.astype(str), NO_STANDBY)
        waited = (samples.finished - samples.sent) / SECOND
        late = np.isin(samples.detail.astype(str), ("timeout", UNFINISHED))
        took = np.where(samples.ok, samples.value, np.where(late, waited, np.nan))
        return cls(
            copy,
            samples.sent[counts],
            samples.finished[counts],
            took[counts],
            samples.ok[counts],
            samples.sent[(samples.detail == PROMOTED) & (waited > AWAITED)],
        )

    def within(self, begin: int, end: int) -> Flags:
        """The writes that were made between two times."""
        found: Flags = (self.sent >= begin) & (self.sent < end)
        return found


class Replication(Check):
    """Every write on `store` is visible on each standby after `at_most`.

    With `within` only this is claimed: so long after each fault's end it is so again.
    """

    kind = "replication"
    sources = (Source.ROLES,)
    measures_lag = True

    store: StoreName
    at_most: Duration
    within: Duration | None = None

    def label(self) -> str:
        """The store."""
        return self.store

    def judge(self, evidence: Evidence) -> Finding:
        """Each standby on its own; the worst of them counts."""
        lags = _lags(evidence.record, self.store)
        unseen = sorted(set(copies_of(evidence.record, self.store)) - {lag.copy for lag in lags})
        if unseen or not lags:
            words = f"how late {listed(unseen) or self.store} was is not recorded"
            return Finding(Outcome.INCONCLUSIVE, words)
        measured = [lag for lag in lags if lag.within(*_edges(evidence.window)).any()]
        if not measured:
            return Finding(Outcome.INCONCLUSIVE, _nothing(lags, self.store, evidence.window))
        parts = [part for lag in measured for part in self._parts(evidence, lag, measured)]
        if not parts:
            return Finding(Outcome.INCONCLUSIVE, "no fault ended that it could catch up after")
        outcome = worst(each for each, _, _ in parts)
        reason = "; ".join(words for each, words, _ in parts if each is outcome)
        numbers = tuple(number for _, _, numbers in parts for number in numbers)
        asked = [Number("at most", self.at_most.seconds, "s")]
        if self.within is not None:
            asked.append(Number("within", self.within.seconds, "s"))
        return Finding(outcome, reason, (*numbers, *asked))

    def _parts(self, evidence: Evidence, lag: Lag, lags: list[Lag]) -> list[Part]:
        if self.within is None:
            return [_always(lag, evidence.window, self.at_most)]
        run = evidence.windows["run"]
        faults = [
            fault
            for fault in faults_of(evidence)
            if fault.ended is not None
            and evidence.window.name in ("run", f"fault:{fault.facts.fault}")
        ]
        begins = sorted(fault.began[0] for fault in faults_of(evidence))
        found = []
        for fault in faults:
            later = [t for t in begins if fault.ended and t > fault.ended[1]]
            end = min([*later, run.end])
            after = (fault.ended[0] if fault.ended else end, end)
            if not lag.within(*after).any() and any(each.within(*after).any() for each in lags):
                continue  # it is no standby any more, but another copy is
            found.append(_caught_up(lag, fault, end, (self.at_most, self.within), run.begin))
        return found


def _lags(record: Record, store: str) -> list[Lag]:
    prefix = f"lag:{store}:"
    found = []
    for name in record.probe_names:
        samples = record.probe(name)
        if name.startswith(prefix) and samples is not None:
            found.append(Lag.of(name.removeprefix(prefix), samples))
    return found


def _nothing(lags: list[Lag], store: str, window: Window) -> str:
    """Why no write of a window was measured on any copy."""
    begin, end = _edges(window)
    for lag in lags:
        lost = int(((lag.cut_short >= begin) & (lag.cut_short < end)).sum())
        if lost:
            writes = count(lost, "write")
            return f"{lag.copy} was promoted before any of the {writes} of {window.name} had come"
    return f"no copy of {store} was a standby in {window.name}"


def _edges(window: Window) -> tuple[int, int]:
    return window.begin, window.end


def _always(lag: Lag, window: Window, at_most: Duration) -> Part:
    inside = lag.within(*_edges(window))
    took, complete = lag.took[inside], lag.complete[inside]
    over = took > at_most.seconds
    unknown = ~complete & ~over
    worst_lag = float(np.nanmax(took)) if np.isfinite(took).any() else None
    numbers = (
        Number(f"lag {lag.copy}", worst_lag, "s", limits=("at most",)),
        Number(f"writes {lag.copy}", int(inside.sum()), "count"),
        Number(f"late {lag.copy}", int(over.sum()), "count"),
    )
    about = f"{lag.copy}: {count(int(over.sum()), 'write')} of {int(inside.sum()):,}"
    if over.any():
        words = f"{about} took longer than {at_most}, the slowest {seconds(_ns(worst_lag))}"
        return Outcome.FAIL, words, numbers
    if int(unknown.sum()) > UNMEASURED * int(inside.sum()) or worst_lag is None:
        words = f"{lag.copy}: when {count(int(unknown.sum()), 'write')} came is not known"
        return Outcome.INCONCLUSIVE, words, numbers
    words = f"{about} took longer than {at_most}, the slowest {seconds(_ns(worst_lag))}"
    return Outcome.PASS, words, numbers


def _caught_up(
    lag: Lag, fault: ProvenFault, end: int, limits: tuple[Duration, Duration], zero: int
) -> Part:
    """From the fault's end to the first write that was in time, with none late after it."""
    at_most, within = limits
    ended = fault.ended or (end, end)
    after = lag.within(ended[0], end)
    late = after & ~(lag.complete & (lag.took <= at_most.seconds))
    proven = after & (lag.took > at_most.seconds)
    last = int(lag.sent[late].max()) if late.any() else None
    good = lag.sent[after & ~late & (lag.sent > (-1 if last is None else last))]
    high = int(good.min()) - ended[0] if len(good) else None
    low = max(0, int(lag.sent[proven].max()) - ended[1]) if proven.any() else 0
    bound = None if high is None else at(high)
    name = f"caught up {lag.copy} after {fault.name}"
    number = Number(name, bound, "s", low=at(low), high=bound, limits=("within",))
    if high is None and last is None:
        words = f"{lag.copy}: no write was made after {fault.name} had ended"
        return Outcome.INCONCLUSIVE, words, (number,)
    when = f"after {fault.name} had ended ({after_warm_up(ended[0] - zero)}; at most {within})"
    if high is None:
        words = f"{lag.copy} had not caught up {seconds(low)} {when}"
    else:
        words = f"{lag.copy} had caught up {span(low, high)} {when}"
    if low > within.ns:
        return Outcome.FAIL, words, (number,)
    timely = high is not None and high <= within.ns
    return Outcome.PASS if timely else Outcome.INCONCLUSIVE, words, (number,)


def _ns(value: float | None) -> int:
    return round((value or 0.0) * SECOND)
