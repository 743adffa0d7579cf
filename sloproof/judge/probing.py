"""Probe adequacy: whether the prober took its samples, all of them and in time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from sloproof.contracts import Window
from sloproof.judge.quantile import at_ranks, rank
from sloproof.judge.wording import SECOND, count, percent, seconds
from sloproof.record.reader import Record, Samples

MISSED = Fraction(1, 100)
"""The greatest share of samples that may be missing."""
LATENESS = 20_000_000
"""A lateness that is no trouble, however short the interval, in nanoseconds."""
CLOCK_GRAIN = 1_000_000
"""An event loop may wake a little early, in nanoseconds."""
SILENCE = 5
"""So many intervals without a sample at either end of the run: the probe wasn't watched."""
CACHED = "cached"
"""What a probe says of an answer that a cache gave in place of the service."""
_P99 = Fraction(99, 100)


@dataclass(frozen=True, slots=True)
class ProbeAdequacy:
    """How well a probe kept its time; `reason` is "" where well enough."""

    probe: str
    samples: int
    missed: int
    lateness_p99: int | None
    reason: str


def probe_adequacy(
    record: Record, run: Window, intervals: Mapping[str, int]
) -> tuple[ProbeAdequacy, ...]:
    """Every probe that took samples, and those of `intervals` that took none.

    `intervals` are those of the target's own probes, in nanoseconds: these have to cover the whole
    run. A witness comes and goes; its interval is the one it mostly kept.
    """
    names = sorted({*record.probe_names, *intervals})
    return tuple(_of(name, record.probe(name), run, intervals.get(name)) for name in names)


def _of(name: str, samples: Samples | None, run: Window, declared: int | None) -> ProbeAdequacy:
    if samples is None or not len(samples):
        return ProbeAdequacy(name, 0, 0, None, f"probe {name} took no sample")
    every = declared or _interval(samples)
    missed = _missed(samples, every, run)
    if declared is not None:
        missed += _silence(samples, declared, run)
    lateness = np.maximum(samples.sent - samples.intended, 0)
    p99 = at_ranks(lateness, rank(len(lateness), _P99))[0] or 0
    reason = _untrue(name, samples)
    if reason:
        return ProbeAdequacy(name, len(samples), missed, p99, reason)
    if missed > MISSED * (len(samples) + missed):
        reason = (
            f"probe {name} missed {count(missed, 'sample')} of {len(samples) + missed:,} "
            f"(at most {percent(MISSED)} may be missing)"
        )
    elif p99 > max(every, LATENESS):
        reason = (
            f"probe {name} was {seconds(p99)} late at the 99th percentile, "
            f"with an interval of {seconds(every)}"
        )
    return ProbeAdequacy(name, len(samples), missed, p99, reason)


def signal_adequacy(
    record: Record, run: Window, intervals: Mapping[str, int]
) -> tuple[ProbeAdequacy, ...]:
    """Each signal of the target: whether it was sampled throughout the run, in nanoseconds.

    A sample without a number counts: it says that the signal was asked for and gave none.
    """
    found = []
    for name, every in intervals.items():
        times = [time for time, _, _ in record.signal(name)]
        inside = sorted(time for time in times if run.begin <= time < run.end)
        edges = [run.begin, *inside, run.end]
        hole = int(np.diff(edges).max())
        expected = int((run.end - run.begin) // every)
        missed = max(0, expected - len(inside))
        reason = ""
        if not times:
            reason = f"signal {name} has no sample"
        elif missed > SILENCE + MISSED * expected or hole > SILENCE * every + SECOND:
            reason = (
                f"signal {name} has {count(len(inside), 'sample')} of {expected:,} in the run, "
                f"and none for {seconds(hole)}"
            )
        found.append(ProbeAdequacy(name, len(inside), missed, None, reason))
    return tuple(found)


def _untrue(name: str, samples: Samples) -> str:
    """Why the samples can't be what a prober saw of the service, or ""."""
    cached = int(np.count_nonzero(samples.detail == CACHED))
    if cached > MISSED * len(samples):
        return (
            f"{cached:,} of {len(samples):,} answers to probe {name} came from a cache: "
            f"they say nothing about the service"
        )
    early = samples.sent < samples.intended - CLOCK_GRAIN
    backwards = samples.finished < samples.sent
    again = np.concatenate(([False], np.diff(samples.intended) == 0))
    impossible = int(np.count_nonzero(early | backwards | again))
    if impossible:
        return (
            f"{count(impossible, 'sample')} of probe {name} can't have been taken when they say: "
            f"sent before their time, answered before they were sent, or taken twice"
        )
    return ""


def _interval(samples: Samples) -> int:
    gaps = np.sort(np.diff(samples.intended))
    return max(1, int(gaps[(len(gaps) - 1) // 2])) if len(gaps) else 1


def _missed(samples: Samples, every: int, run: Window) -> int:
    """The samples that should stand between those that do; those outside the run don't count."""
    inside = (samples.intended[1:] >= run.begin) & (samples.intended[:-1] < run.end)
    gaps = np.diff(samples.intended)[inside]
    return int(np.maximum((gaps + every // 2) // every - 1, 0).sum())


def _silence(samples: Samples, every: int, run: Window) -> int:
    """The samples that are missing at the beginning and at the end of the run."""
    before = int(samples.intended[0]) - run.begin
    after = run.end - int(samples.intended[-1])
    return sum(gap // every for gap in (before, after) if gap > SILENCE * every)
