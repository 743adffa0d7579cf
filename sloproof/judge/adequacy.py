"""Before a run: which claims cannot reach a verdict with the planned load, and what would do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Protocol, runtime_checkable

from sloproof.contracts import Source, Window
from sloproof.judge.short_ledger import short_ledger
from sloproof.judge.sources import CARRIED, sources_of
from sloproof.judge.wording import SECOND
from sloproof.model.target import Target
from sloproof.spec.experiment import Experiment, FaultPlan, Line, Segment, Selector
from sloproof.spec.objectives import Objectives, RecoveryObjective
from sloproof.spec.selectors import matching_instances, matching_links


@dataclass(frozen=True, slots=True)
class Prospect:
    """What one claim may expect: samples `expected` in its window at most, `needed` at least.

    `expected` counts all arrivals, of which the claim may count a part; it is None where the
    samples are no requests. `reason` says why no verdict can be
    reached and what would help; "" where one can.
    """

    id: str
    expected: int | None
    needed: int
    sources: tuple[Source, ...]
    reason: str

    def __str__(self) -> str:
        return f"{self.id}: {self.reason}" if self.reason else self.id


@runtime_checkable
class Least(Protocol):
    """A check that needs more samples for a claim about the system than for one about a run."""

    def least(self, objectives: dict[str, Any], *, general: bool, confidence: Fraction) -> int:
        """The samples it takes at least."""
        ...


def adequacy(
    experiment: Experiment,
    objectives: Objectives,
    target: Target | None = None,
    *,
    expected_arrivals: Mapping[str, int] | None = None,
) -> list[Prospect]:
    """The prospect of each line of `verify`; those with a `reason` can't reach a verdict.

    `expected_arrivals` gives the arrivals by window, by default as the experiment plans them;
    without a `target` nothing is said about sources that it lacks.
    """
    windows = planned_windows(experiment)
    if expected_arrivals is None:
        expected_arrivals = {
            name: planned_arrivals(experiment, window) for name, window in windows.items()
        }
    return [
        _prospect(line, experiment, objectives, target, expected_arrivals)
        for line in experiment.verify
    ]


def planned_windows(experiment: Experiment) -> dict[str, Window]:
    """The windows as planned, in nanoseconds from the end of warm-up.

    A fault that waits for something is taken to come at once, a blow to last for no time (how long
    its window is depends on the system, so nothing is promised about it), and recovery to take the
    least time: what is promised is at least kept.
    """
    baseline = experiment.baseline.ns
    found: dict[str, Window] = {}
    last = baseline
    for plan in experiment.faults:
        begin, end = _planned_span(plan)
        found[f"fault:{plan.name}"] = Window(f"fault:{plan.name}", begin, end)
        last = max(last, end)
    end = last + experiment.recovery.at_least.ns
    return {
        "run": Window("run", 0, end),
        "baseline": Window("baseline", 0, baseline),
        "faults": Window("faults", baseline, last),
        "recovery": Window("recovery", last, end),
        **found,
    }


def planned_arrivals(experiment: Experiment, window: Window) -> int:
    """How many arrivals are planned in a window of `planned_windows`."""
    if experiment.load is None:
        return 0
    total, begin = Fraction(0), 0
    for segment in experiment.load.arrivals:
        for length, low, high in _stretches(segment):
            end = window.end if length is None else begin + length
            total += _area(max(begin, window.begin), min(end, window.end), begin, end, (low, high))
            begin = max(begin, end)
    return int(total)


def _prospect(
    line: Line,
    experiment: Experiment,
    objectives: Objectives,
    target: Target | None,
    arrivals: Mapping[str, int],
) -> Prospect:
    known: dict[str, Any] = dict(objectives)
    reads = sources_of(line.check, known)
    general = not experiment.faults if line.general is None else line.general
    needed = line.check.needed(known)
    if isinstance(line.check, Least):
        confidence = line.confidence.value
        needed = line.check.least(known, general=general, confidence=confidence)
    home = str(getattr(line.check, "home", "run"))
    window = home if line.during == "run" else line.during
    counts = Source.REQUESTS in reads
    expected = arrivals.get(window, 0) if counts and not _open_ended(window, experiment) else None
    reason = _lacking(line, reads, experiment, known, target)
    if not reason and Source.WRITES in reads:
        reason = short_ledger(line, experiment, known)
    if not reason and line.general and experiment.faults and window != "baseline":
        reason = "a general claim across faults needs a suite of runs"
    if not reason and line.during != "baseline" and not CARRIED.isdisjoint(reads):
        reason = _unseen(experiment, target)
    if not reason and expected is not None and expected < needed:
        reason = _too_few(window, expected, needed, experiment)
    return Prospect(line.id, expected, needed, reads, reason)


def _open_ended(window: str, experiment: Experiment) -> bool:
    """Whether the window is that of a fault which lasts until the system has healed it."""
    names = {f"fault:{plan.name}" for plan in experiment.faults if not plan.fault.lasts()}
    return window in names


def _lacking(
    line: Line,
    reads: tuple[Source, ...],
    experiment: Experiment,
    objectives: dict[str, Any],
    target: Target | None,
) -> str:
    """Why a source will be missing: the experiment or the target doesn't have it."""
    if Source.REQUESTS in reads and experiment.load is None:
        return "it counts requests, but the experiment has no load"
    if Source.WRITES in reads and experiment.ledger is None:
        return "it counts writes, but the experiment has no ledger"
    if target is None:
        return ""
    declared = {
        Source.CALLS: (bool(target.traces), "traces"),
        Source.SYSTEM_EVENTS: (bool(target.events), "events"),
        Source.SIGNALS: (bool(target.signals), "signals"),
        Source.PROBES: (bool(target.probes), "probes"),
        Source.ROLES: (bool(target.stores), "stores"),
    }
    for source in reads:
        there, word = declared.get(source, (True, ""))
        if not there:
            return f"it reads {source.value}, but target {target.name} declares no {word}"
    named = objectives.get(str(getattr(line.check, "objective", "")))
    names = {probe.name for probe in target.probes}
    if isinstance(named, RecoveryObjective) and named.probe not in names:
        return f"target {target.name} has no probe named {named.probe}"
    return ""


def _whose(where: Selector, target: Target) -> Selector:
    """The copies that a selector means, or the one whose data is on its volume."""
    volume = target.volumes.get(where.volume or "")
    return where if volume is None else Selector(instance=volume.instance)


def _unseen(experiment: Experiment, target: Target | None) -> str:
    """Why nobody will know whether a fault met any request: what crosses it is written nowhere."""
    if target is None or target.traces:
        return ""
    ways_in = {link.to for link in target.links if link.entry}
    for plan in experiment.faults:
        if plan.fault.points_at == "links":
            seen = all(link.entry for link in matching_links(plan.where, target))
        elif plan.fault.points_at in ("instances", "regions", "volumes"):
            copies = matching_instances(_whose(plan.where, target), target)
            services = [
                (name, service)
                for name, service in target.services.items()
                if any(copy in service.instances for copy in copies)
            ]
            seen = bool(services) and all(
                name in ways_in and len(one.instances) == 1 for name, one in services
            )
        else:
            seen = plan.fault.points_at in ("load", "nothing")
        if not seen:
            return (
                f"whether fault {plan.name} meets anybody can't be known: target {target.name} "
                "declares no traces of the calls between its services"
            )
    return ""


def _too_few(window: str, expected: int, needed: int, experiment: Experiment) -> str:
    planned = planned_windows(experiment).get(window)
    reason = (
        f"{expected:,} arrivals in {window} are too few: it takes {needed:,} requests that count"
    )
    if planned is None or planned.end <= planned.begin:
        return reason
    length = Fraction(planned.end - planned.begin, SECOND)
    rate = -(-needed // length)
    return f"{reason}; {rate:,}/s throughout would do"


def _planned_span(plan: FaultPlan) -> tuple[int, int]:
    begin = 0 if plan.at is None else plan.at.ns
    if plan.after is not None:
        begin += plan.after.plus.ns
    length = 0 if plan.for_ is None else plan.for_.ns
    if plan.repeat is not None:
        length += (plan.repeat.times - 1) * plan.repeat.every.ns
    return begin, begin + length


def _stretches(segment: Segment) -> Iterator[tuple[int | None, Fraction, Fraction]]:
    """A segment as stretches of linear rate: length (None: to the end), rate at both ends."""
    length = None if segment.for_ is None else segment.for_.ns
    if segment.source is not None and segment.to is not None:
        yield length, segment.source.per_second, segment.to.per_second
    elif segment.steps:
        for step in segment.steps:
            yield (segment.each.ns if segment.each else 0), step.per_second, step.per_second
    elif segment.rate is not None:
        rate = segment.rate.per_second
        if segment.spike is None:
            yield length, rate, rate
            return
        spike = segment.spike
        yield spike.at.ns, rate, rate
        yield spike.for_.ns, spike.to.per_second, spike.to.per_second
        rest = None if length is None else max(0, length - spike.at.ns - spike.for_.ns)
        yield rest, rate, rate


def _area(low: int, high: int, begin: int, end: int, rates: tuple[Fraction, Fraction]) -> Fraction:
    """The arrivals in [low, high) of a stretch [begin, end) whose rate goes from one to another."""
    if high <= low or end <= begin:
        return Fraction(0)
    slope = (rates[1] - rates[0]) / (end - begin)
    middle = rates[0] + slope * (Fraction(low + high, 2) - begin)
    return middle * Fraction(high - low, SECOND)
