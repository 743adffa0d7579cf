"""Probe adequacy: whether the prober took its samples, all of them and in time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from sloproof.contracts import Window
from sloproof.judge.quantile import at_ranks, rank
from sloproof.judge.wording import count, percent, seconds
from sloproof.record.reader import Record, Samples

MISSED = Fraction(1, 100)
"""The greatest share of samples that may be missing."""
LATENESS = 20_000_000
"""A lateness that is no trouble, however short the interval, in nanoseconds."""
SILENCE = 5
"""So many intervals without a sample at either end of the run: the probe wasn't watched."""
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
    reason = ""
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
