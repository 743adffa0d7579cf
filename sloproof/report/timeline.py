"""All that the timeline shows, gathered from a record and its verdict's figures."""

from __future__ import annotations

from dataclasses import dataclass

from sloproof.model.verdict import Verdict
from sloproof.record.reader import Record
from sloproof.report import states
from sloproof.report.figures import Figures
from sloproof.report.series import Axis, Bins, Traffic
from sloproof.report.states import Stretch, Strip
from sloproof.report.words import pairs

MOST_STRIPS = 16


@dataclass(frozen=True, slots=True)
class Limit:
    """A latency that a claim allows in its window, in seconds."""

    value_s: float
    begin_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class Timeline:
    """All that the timeline shows. `bins` is None without load; `hidden` strips found no room.

    `faults` are where they were in force for certain, `perhaps` where they may have been.
    """

    axis: Axis
    phases: tuple[Stretch, ...] = ()
    faults: tuple[Stretch, ...] = ()
    perhaps: tuple[Stretch, ...] = ()
    bins: Bins | None = None
    strips: tuple[Strip, ...] = ()
    limits: tuple[Limit, ...] = ()
    hidden: int = 0


def timeline(
    record: Record, verdict: Verdict, shown: Figures, on: Axis, traffic: Traffic | None
) -> Timeline:
    """What is drawn; the busiest strips first where there are too many."""
    strips = [*states.probes(record, on), *states.breakers(record, on)]
    busiest = sorted(strips, key=lambda strip: -len(strip.stretches))[:MOST_STRIPS]
    return Timeline(
        axis=on,
        phases=states.phases(record, on),
        faults=states.faults(record, on, shown.faults),
        perhaps=states.faults(record, on, shown.faults, widest=True),
        bins=traffic.bins if traffic else None,
        strips=tuple(strip for strip in strips if strip in busiest),
        limits=_limits(verdict, shown, on),
        hidden=max(len(strips) - MOST_STRIPS, 0),
    )


def _limits(verdict: Verdict, shown: Figures, on: Axis) -> tuple[Limit, ...]:
    """The latency limits of the objectives, each over the window it is claimed for."""
    windows = {window.name: (window.begin_s, window.end_s) for window in shown.windows}
    found = []
    for claim in verdict.claims:
        for asked, seen in pairs(claim) if claim.check == "slo" else ():
            limit = asked[0]
            begin, end = windows.get(claim.window, (0.0, on.end_s))
            if limit.unit == seen.unit == "s" and limit.value:
                found.append(Limit(float(limit.value), max(begin, on.begin_s), min(end, on.end_s)))
    return tuple(dict.fromkeys(found))
