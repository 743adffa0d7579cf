"""Recovery time: from a fault to a service that is back to stay, as an interval.

It subtracts two intervals: the origin lies between the call that brought the fault about (or took
it away) and the moment by which it was seen; the end lies between the sending of the last failed
sample and the finish of the first good one of a stable row. Restoration by the harness censors.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from sloproof.contracts import Window
from sloproof.judge.facts import SystemEvent, system_events
from sloproof.judge.faults import Interval, ProvenFault
from sloproof.judge.stability import Stability
from sloproof.record.reader import Record, Samples
from sloproof.spec.objectives import RecoveryObjective


@dataclass(frozen=True, slots=True)
class Milestone:
    """Something that happened on the way back, at a time."""

    name: str
    time: int


@dataclass(frozen=True, slots=True)
class Recovery:
    """One incident: a fault (or several on top of each other) until the service was back.

    `high` is None where the service was not seen back to stay before the harness put things right
    at `censored_at`, or before the record ends. `again` is when the probe failed once more after
    it had been back, though nothing new struck. `from_detection` is None without a detection.
    """

    objective: str
    faults: tuple[str, ...]
    counted_from: str
    low: int
    high: int | None
    censored_at: int | None
    failed: bool
    again: int | None
    milestones: tuple[Milestone, ...] = field(default=())
    from_detection: int | None = None

    @property
    def censored(self) -> bool:
        """Whether the recovery was not seen to its end."""
        return self.high is None


def recoveries(
    record: Record, objective: RecoveryObjective, faults: tuple[ProvenFault, ...], run: Window
) -> tuple[Recovery, ...]:
    """Each incident of the run in order; none without a fault or without samples."""
    samples = record.probe(objective.probe)
    if samples is None or not len(samples):
        return ()
    stability = Stability.of(samples, objective)
    found: list[Recovery] = []
    waiting = sorted(faults, key=lambda fault: fault.began)
    while waiting:
        incident = [waiting.pop(0)]
        while True:
            horizon = waiting[0].began[0] if waiting else run.end
            one = _recovery(record, objective, stability, incident, horizon)
            if not waiting or not one.censored or one.censored_at != horizon:
                break
            incident.append(waiting.pop(0))
        found.append(one)
    return tuple(found)


def _recovery(
    record: Record,
    objective: RecoveryObjective,
    stability: Stability,
    incident: list[ProvenFault],
    horizon: int,
) -> Recovery:
    counted_from = objective.origin_of_time or _default_origin(incident)
    origin = _origin(incident, counted_from, horizon)
    restored = _restored(incident, counted_from, horizon)
    samples = stability.samples
    down = stability.first_outage(origin[0], restored)
    back = stability.first_stable(origin[0], down)
    again = _again(stability, back, restored)
    known = back is not None and stability.confirmed_by(back) <= restored
    if again is not None and not _returned(stability, restored):
        known = False
    last_failed = stability.last_failed(origin[0], back if known else None, restored)
    low = 0 if last_failed is None else max(0, last_failed - origin[1])
    high = max(0, int(samples.finished[back]) - origin[0]) if known and back is not None else None
    told = _told(record, incident[0].began[0], restored)
    milestones = _milestones(stability, incident, down, back if known else None, told)
    return Recovery(
        objective=objective.name,
        faults=tuple(fault.name for fault in incident),
        counted_from=counted_from,
        low=low,
        high=high,
        censored_at=None if known else restored,
        failed=down is not None,
        again=None if again is None else int(samples.sent[again]),
        milestones=milestones,
        from_detection=_from_detection(milestones),
    )


def _default_origin(incident: list[ProvenFault]) -> str:
    """The beginning where the system must heal, or did; the end where the harness removes it."""
    heals = any(fault.facts.lasting or fault.healed_by == "system" for fault in incident)
    return "fault" if heals else "fault_end"


def _origin(incident: list[ProvenFault], counted_from: str, horizon: int) -> Interval:
    if counted_from == "fault":
        return incident[0].began
    ends = [fault.ended or (horizon, horizon) for fault in incident]
    return max(low for low, _ in ends), max(high for _, high in ends)


def _restored(incident: list[ProvenFault], counted_from: str, horizon: int) -> int:
    """When the harness put right what the system had not, or until when can be seen at all."""
    times = [horizon]
    for fault in incident:
        for effect in fault.facts.effects:
            by_harness = effect.healed is None and effect.outcome == "reverted"
            counts = effect.lasting or counted_from == "fault"
            if by_harness and counts and effect.undoing is not None:
                times.append(effect.undoing)
    return min(times)


def _again(stability: Stability, back: int | None, restored: int) -> int | None:
    """The sample that failed again after a recovery, long enough to count as an outage."""
    if back is None or (confirmed := stability.confirmed_by(back)) > restored:
        return None
    return stability.first_outage(confirmed, restored)


def _returned(stability: Stability, restored: int) -> bool:
    """Whether the service was back after the last outage there was."""
    samples = stability.samples
    last = int(np.flatnonzero((samples.sent < restored) & ~samples.ok & ~stability.steady)[-1])
    back = stability.first_stable(int(samples.finished[last]), last)
    return back is not None and stability.confirmed_by(back) <= restored


def _told(record: Record, begin: int, end: int) -> tuple[SystemEvent, ...]:
    events = system_events(record, "detected", "action", "repaired")
    return tuple(
        event for event in events if begin <= event.time + event.error and event.time < end
    )


def _milestones(
    stability: Stability,
    incident: list[ProvenFault],
    down: int | None,
    back: int | None,
    told: tuple[SystemEvent, ...],
) -> tuple[Milestone, ...]:
    """fault → first failure → detected → action → first good answer → stable → baseline latency."""
    samples = stability.samples
    found = [Milestone("fault", incident[0].began[1])]
    if down is not None:
        found.append(Milestone("first failure", int(samples.finished[down])))
    for name, roles in (("detected", ("detected",)), ("action", ("action", "repaired"))):
        times = [event.time for event in told if event.role in roles]
        if times:
            found.append(Milestone(name, min(times)))
    if back is not None and down is not None:
        found.append(Milestone("first good answer", int(samples.finished[back])))
        found.append(Milestone("stable", stability.confirmed_by(back)))
        usual = _usual_latency(samples, incident[0].began[0], back, stability.successes)
        if usual is not None:
            # A quicker answer that was asked for later may have come before the first.
            usual = max(usual, int(samples.finished[back]))
            found.append(Milestone("baseline latency", usual))
    return tuple(sorted(found, key=lambda milestone: milestone.time))


def _from_detection(milestones: tuple[Milestone, ...]) -> int | None:
    times = {milestone.name: milestone.time for milestone in milestones}
    if "detected" not in times or "first good answer" not in times:
        return None
    return max(0, times["first good answer"] - times["detected"])


def _usual_latency(samples: Samples, fault: int, back: int, row: int) -> int | None:
    """The finish of the first of `row` good samples that all took no longer than before the fault.

    As long as before: as the 99th percentile of the good samples that finished before it.
    """
    took = samples.finished - samples.sent
    before = np.sort(took[samples.ok & (samples.finished <= fault)])
    if not len(before):
        return None
    usual = samples.ok & (took <= before[-(-99 * len(before) // 100) - 1])
    for first in range(back, len(samples) - row + 1):
        if usual[first : first + row].all():
            return int(samples.finished[first])
    return None
