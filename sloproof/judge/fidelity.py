"""Injection fidelity: absent before, present throughout with its size, absent after.

Each effect is judged by its witness alone: by samples taken on a path that the injection doesn't
use. See `sloproof.contracts.Sense` for what present means.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from sloproof.contracts import Sense
from sloproof.contracts.probe import BUSY
from sloproof.judge.clopper_pearson import lower_bound, upper_bound
from sloproof.judge.facts import EffectFacts, WitnessPlan
from sloproof.judge.witness import ROOM, SHARES, SIZED, Flags, Reading, median, read
from sloproof.judge.wording import seconds
from sloproof.record.reader import Record

NOISE = 0.1
"""The share of figures that may look present while the fault is absent."""
HOLE = 5
"""So many figures in a row without the fault are a hole in it, not jitter."""
SURE = Fraction(99, 100)
SURER = Fraction(999, 1000)
"""For packets, whose share is known to be right but for chance."""
TOLD = Fraction(95, 100)


@dataclass(frozen=True, slots=True)
class Span:
    """The life of one effect: sampled undisturbed from `clear`, in force from `applying` on.

    `until` is when it began to go, `gone` when it should be gone (None where that can't be asked),
    `later` how far absence afterwards can be asked for.
    """

    clear: int
    applying: int
    until: int
    gone: int | None
    later: int


@dataclass(frozen=True, slots=True)
class Fidelity:
    """What the witness says of one effect; `reason` is "" where all is well.

    `appeared` and `vanished` are the times between which the first sample that saw it present, or
    absent again, was under way.
    """

    witnessed: bool
    reason: str = ""
    appeared: tuple[int, int] | None = None
    vanished: tuple[int, int] | None = None
    measured: float | None = None
    kept: str = "unknown"


def fidelity(record: Record, effect: EffectFacts, span: Span) -> Fidelity:
    """What the witness of `effect` says; every one of its probes has to see it."""
    plan = effect.witness
    if plan is None:
        return Fidelity(witnessed=True)
    fresh = [name for name in plan.probes if name not in plan.kept] or list(plan.probes)
    seen = [_by_probe(record, plan, name, span, again=effect.again) for name in fresh]
    if not seen:
        return Fidelity(witnessed=False, reason="its witness has no probe")
    doubtful = [each for each in seen if not each.witnessed]
    telling = doubtful[0] if doubtful else seen[0]
    came = [each.appeared for each in seen if each.appeared]
    went = [each.vanished for each in seen if each.vanished]
    return Fidelity(
        witnessed=not doubtful,
        reason=telling.reason,
        appeared=max(came, key=lambda times: times[1]) if came else None,
        vanished=max(went, key=lambda times: times[1]) if went else None,
        measured=telling.measured,
        kept=_kept_connections(record, plan, span, max((struck for _, struck in came), default=0)),
    )


def last_seen(record: Record, effect: EffectFacts, span: Span) -> tuple[int, int, int] | None:
    """When the last sample that saw it was sent and finished, and the one after finished.

    For an effect that was gone before it was undone; None where it was seen to the end.
    """
    plan = effect.witness
    found = []
    for name in () if plan is None else plan.probes:
        samples = record.probe(name)
        if plan is None or samples is None or name in plan.kept:
            continue
        reading = read(plan, samples, span.clear, span.applying)
        seen = np.flatnonzero(reading.present & reading.within(span.applying, span.until))
        if not len(seen):
            continue
        last = int(seen[np.argmax(reading.sent[seen])])
        later = reading.finished[reading.sent > reading.sent[last]]
        following = int(later.min()) if len(later) else span.until
        found.append((int(reading.sent[last]), int(reading.finished[last]), following))
    return max(found, key=lambda times: times[2]) if found else None


def neighbour_affected(
    record: Record, neighbour: WitnessPlan, effect: WitnessPlan | None, span: Span
) -> bool | None:
    """Whether what stands beside the effect felt it too; None where no sample tells."""
    expected = neighbour.expected
    if expected is None and effect is not None:
        expected = effect.expected
    plan = WitnessPlan(
        neighbour.sense, neighbour.probes, neighbour.kept, expected, neighbour.unit, None
    )
    answers = [_feels(record, plan, name, span) for name in plan.probes]
    known = [answer for answer in answers if answer is not None]
    return any(known) if known else None


def _feels(record: Record, plan: WitnessPlan, probe: str, span: Span) -> bool | None:
    samples = record.probe(probe)
    if samples is None:
        return None
    reading = read(plan, samples, span.clear, span.applying)
    inside = reading.within(span.applying, span.until)
    present, absent = _counted(reading, inside)
    if not present + absent:
        return None
    limit = 0.5 if plan.sense in SIZED else NOISE
    if plan.sense is Sense.LOSS and plan.expected is not None:
        limit = 0.5 * plan.expected
    return present > limit * (present + absent)


def _by_probe(
    record: Record, plan: WitnessPlan, probe: str, span: Span, *, again: bool
) -> Fidelity:
    """What one probe saw. What is struck `again` is struck at once: nobody saw it before."""
    samples = record.probe(probe)
    if samples is None:
        return Fidelity(witnessed=False, reason=f"its witness {probe} took no sample")
    reading = read(plan, samples, span.clear, span.applying)
    candidates = reading.present & (reading.finished > span.applying) & (reading.sent < span.until)
    if not candidates.any():
        return Fidelity(witnessed=False, reason=f"its witness {probe} never saw it")
    struck = _struck_by(reading, span)
    first = int(np.flatnonzero(candidates)[np.argmin(struck[candidates])])
    appeared = int(reading.sent[first]), int(struck[first])
    inside = reading.within(appeared[1], span.until)
    # A loss is by chance but for the first one, which was waited for.
    inside[first] = plan.sense is not Sense.LOSS
    measured = _measured(plan, reading, inside, span)
    vanished = _vanished(reading, span)
    doubts = (
        "" if again else _before(plan, reading, span),
        _throughout(plan, reading, inside),
        _size(plan, reading, inside, measured),
        _after(plan, reading, span, vanished),
    )
    reason = next((f"{probe}: {doubt}" for doubt in doubts if doubt), "")
    return Fidelity(not reason, reason, appeared, vanished, measured)


def _struck_by(reading: Reading, span: Span) -> NDArray[np.int64]:
    """When at the latest each sample had met the fault, if it was to meet it at all.

    What isn't answered in the longest time that an undisturbed sample took was struck by then: it
    need not be awaited to its end.
    """
    undisturbed = reading.absent & reading.within(span.clear, span.applying)
    if not undisturbed.any():
        return reading.finished
    longest = int((reading.finished - reading.sent)[undisturbed].max())
    struck: NDArray[np.int64] = np.minimum(reading.finished, reading.sent + longest)
    return np.maximum(struck, span.applying)


def _counted(reading: Reading, chosen: Flags) -> tuple[int, int]:
    return (
        int(np.count_nonzero(reading.present & chosen)),
        int(np.count_nonzero(reading.absent & chosen)),
    )


def _mostly_absent(plan: WitnessPlan, present: int, absent: int) -> bool:
    allowed = NOISE * (present + absent) if plan.sense in SIZED else 0
    if plan.sense is Sense.LOSS:
        allowed = NOISE * (plan.expected or 0) * (present + absent)
    return present <= allowed


def _too_few(plan: WitnessPlan, present: int, absent: int) -> str:
    """Why the absence of a loss can't be told: so many packets may all have been lucky."""
    if plan.sense is not Sense.LOSS or plan.expected is None:
        return ""
    total = present + absent
    if float(upper_bound(present, total, TOLD)) < plan.expected:
        return ""
    return f"only {total} packets were sent: of {plan.expected:.3g} lost, none might show"


def _before(plan: WitnessPlan, reading: Reading, span: Span) -> str:
    present, absent = _counted(reading, reading.within(span.clear, span.applying))
    if not absent:
        return "was not seen absent before" if not present else "was there before it was injected"
    if not _mostly_absent(plan, present, absent):
        return f"was there in {present} of {present + absent} samples before it was injected"
    few = _too_few(plan, present, absent)
    return f"was not seen absent before: {few}" if few else ""


def _throughout(plan: WitnessPlan, reading: Reading, inside: Flags) -> str:
    """No sample without it; for figures, no long row of them, and not most of them."""
    if plan.sense in SHARES:
        return ""  # a share is a size, judged as such
    present, absent = _counted(reading, inside)
    row = 1 if plan.sense not in SIZED else HOLE
    hole = _row_of(reading.absent[inside & (reading.present | reading.absent)], row)
    if hole is None and absent <= present:
        return ""
    times = reading.sent[inside & (reading.present | reading.absent)]
    begin = "" if hole is None else f" (first {seconds(int(times[hole]))} into the record)"
    return f"was absent in {absent} of {present + absent} samples while it should be there{begin}"


def _row_of(flags: Flags, length: int) -> int | None:
    """Where the first row of `length` set flags begins."""
    if len(flags) < length:
        return None
    sums = np.convolve(flags.astype(np.int64), np.ones(length, dtype=np.int64), mode="valid")
    found = np.flatnonzero(sums == length)
    return int(found[0]) if len(found) else None


def _measured(plan: WitnessPlan, reading: Reading, inside: Flags, span: Span) -> float | None:
    if plan.sense in SHARES:
        present, absent = _counted(reading, inside)
        return present / (present + absent) if present + absent else None
    if plan.sense not in SIZED:
        return None
    there = median(reading.size[inside])
    if plan.sense is Sense.THROUGHPUT or plan.sense in ROOM or there is None:
        return there
    before = median(reading.size[reading.within(span.clear, span.applying)])
    return None if before is None else there - before


def _size(plan: WitnessPlan, reading: Reading, inside: Flags, measured: float | None) -> str:
    """Whether the measured size is the one asked for; a share within what chance allows."""
    if plan.expected is None or plan.tolerance is None or measured is None:
        return ""
    low = high = measured
    if plan.sense in SHARES:
        present, absent = _counted(reading, inside)
        sure = SURER if plan.sense is Sense.LOSS else SURE
        low = float(lower_bound(present, present + absent, sure))
        high = float(upper_bound(present, present + absent, sure))
    if plan.sense is Sense.SCARCE:
        high = max(high, plan.expected)  # the system may use what is left
    if high >= plan.expected - plan.tolerance and low <= plan.expected + plan.tolerance:
        return ""
    if measured < plan.expected and _held_down(reading, inside):
        return ""
    unit = f" {plan.unit}" if plan.unit else ""
    return (
        f"measured {measured:.6g}{unit} instead of {plan.expected:.6g}{unit} "
        f"± {plan.tolerance:.6g}{unit}"
    )


def _held_down(reading: Reading, inside: Flags) -> bool:
    """Whether a limit kept most samples below what was asked for: more can't be had there."""
    limited, all_ = (np.count_nonzero(flags) for flags in (inside & reading.limited, inside))
    return bool(2 * limited > all_)


def _vanished(reading: Reading, span: Span) -> tuple[int, int] | None:
    gone = reading.absent & reading.within(span.until, span.later)
    if span.gone is None or not gone.any():
        return None
    first = int(np.flatnonzero(gone)[np.argmin(reading.finished[gone])])
    return int(reading.sent[first]), int(reading.finished[first])


def _after(
    plan: WitnessPlan, reading: Reading, span: Span, vanished: tuple[int, int] | None
) -> str:
    if span.gone is None:
        return ""
    if vanished is None:
        return "was not seen absent after it was undone"
    begin = max(span.gone, vanished[0])
    present, absent = _counted(reading, reading.within(begin, span.later))
    if not _mostly_absent(plan, present, absent):
        return f"was there in {present} of {present + absent} samples after it was undone"
    few = _too_few(plan, present, absent)
    return f"was not seen absent after it was undone: {few}" if few else ""


def _kept_connections(record: Record, plan: WitnessPlan, span: Span, seen: int) -> str:
    """Whether a connection older than the effect felt it; a figure, once the effect was `seen`."""
    answers = set()
    for name in plan.kept:
        samples = record.probe(name)
        if samples is None:
            continue
        reading = read(plan, samples, span.clear, span.applying)
        inside = reading.within(span.applying, span.until)
        settled = inside & (reading.sent >= seen) if plan.sense in SIZED else inside
        present, absent = _counted(reading, settled)
        broke = int(np.count_nonzero(~samples.ok & inside & (samples.detail != BUSY)))
        if present + absent + broke:
            few = absent >= present if plan.sense in SIZED else present == 0
            answers.add("unaffected" if few and not broke else "affected")
    if not answers:
        return "unknown"
    return "affected" if "affected" in answers else "unaffected"
