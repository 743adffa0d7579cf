"""Each fault of a run, proven or not: when it was in force, its size, whom it met, who ended it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from sloproof.contracts import Window
from sloproof.judge.exposure import Exposure, exposure
from sloproof.judge.facts import EffectFacts, Occurrence, occurrences_of
from sloproof.judge.fidelity import Fidelity, Span, fidelity, last_seen, neighbour_affected
from sloproof.judge.requests import Requests
from sloproof.judge.windows import clipped
from sloproof.judge.wording import count as counted
from sloproof.record.reader import Record

Interval = tuple[int, int]


@dataclass(frozen=True, slots=True)
class ProvenFault:
    """One occurrence of a fault with what is known of it.

    It certainly was in force between the end of `began` and the beginning of `ended` (None: never
    ended within the record). `healed_by` is `system`, `harness`, `nobody`, or "" where the fault
    is none that has to be healed.
    """

    facts: Occurrence
    began: Interval
    ended: Interval | None
    witnessed: bool
    reason: str
    measured: float | None
    kept: str
    neighbours: str
    exposure: Exposure
    time_to_revert: int | None
    healed_by: str
    force: Window

    @property
    def name(self) -> str:
        """The fault's name, with the occurrence's number where it came before."""
        number = self.facts.number
        return self.facts.fault if number <= 1 else f"{self.facts.fault} (no. {number})"


def proven_faults(record: Record, requests: Requests, run: Window) -> tuple[ProvenFault, ...]:
    """Every fault that was injected, in order."""
    occurrences = occurrences_of(record)
    effects = [effect for occurrence in occurrences for effect in occurrence.effects]
    return tuple(_proven(record, requests, run, one, effects) for one in occurrences)


def fault_windows(faults: tuple[ProvenFault, ...], run: Window) -> dict[str, Window]:
    """`fault:NAME` for each: from first seen present to last seen absent, over all occurrences."""
    found: dict[str, Window] = {}
    for fault in faults:
        name = f"fault:{fault.facts.fault}"
        before = found.get(name, fault.force)
        begin, end = min(before.begin, fault.force.begin), max(before.end, fault.force.end)
        found[name] = clipped(name, begin, end, run)
    return found


def _proven(
    record: Record,
    requests: Requests,
    run: Window,
    facts: Occurrence,
    everything: list[EffectFacts],
) -> ProvenFault:
    applied = [effect for effect in facts.effects if effect.applying is not None]
    spans = {effect.number: _span(effect, everything, run) for effect in applied}
    gone_early = _gone_early(record, applied, spans)
    for number, (_, finished, _) in gone_early.items():
        spans[number] = replace(spans[number], until=finished, gone=None)
    seen = {e.number: fidelity(record, e, spans[e.number]) for e in applied}
    for number, (sent, _, following) in gone_early.items():
        seen[number] = replace(seen[number], vanished=(sent, following))
    began, ended = _began(facts, applied, seen), _ended(facts, _last_blows(applied), seen)
    end = run.end if ended is None else ended[0]
    force = clipped(f"fault:{facts.fault}", began[1], max(began[1], end), run)
    doubts = [each.reason for each in seen.values() if each.reason] + _unseen(facts, applied)
    touched = _neighbours(record, applied, spans, _struck_by_others(facts, everything))
    return ProvenFault(
        facts=facts,
        began=began,
        ended=ended,
        witnessed=not doubts and touched != "affected",
        reason="; ".join(dict.fromkeys(doubts))
        or ("what stands beside it was affected too" if touched == "affected" else ""),
        measured=next((f.measured for f in seen.values() if f.measured is not None), None),
        kept=_together([each.kept for each in seen.values()]),
        neighbours=touched,
        exposure=_exposure(record, requests, facts, applied, force),
        time_to_revert=_time_to_revert(applied),
        healed_by=_healed_by(facts, applied),
        force=force,
    )


def _span(effect: EffectFacts, everything: list[EffectFacts], run: Window) -> Span:
    """The effect's life as its probes can see it: one with those of its occurrence that they share.

    Other occurrences that the same probes see, or that change the same link or instance, bound the
    time in which it can be seen absent.
    """
    probes = set(effect.witness.probes if effect.witness else ())
    own = (effect.fault, effect.occurrence)
    together: list[tuple[EffectFacts, int]] = []
    others: list[tuple[EffectFacts, int]] = []
    for each in everything:
        if each.applying is None or each.witness is None:
            continue
        shared = bool(probes & set(each.witness.probes))
        if (each.fault, each.occurrence) == own:
            together += [(each, each.applying)] * shared
        elif shared or (effect.target is not None and each.target == effect.target):
            others.append((each, each.applying))
    applying = min((t for _, t in together), default=effect.applying or 0)
    leaves = [e.undoing if e.healed is None else e.healed for e, _ in together]
    goes = [e.stays_until for e, _ in together]
    until = min((t for t in leaves if t is not None), default=run.end)
    gone = max((t for t in goes if t is not None), default=None) if None not in goes else None
    cleared = [t if e.undone is None else e.undone for e, t in others if t < applying]
    return Span(
        clear=max((t for t in cleared if t <= applying), default=-(2**62)),
        applying=applying,
        until=max(applying, until),
        gone=None if effect.lasting else gone,
        later=min((t for _, t in others if gone is not None and t >= gone), default=2**62),
    )


def _gone_early(
    record: Record, applied: list[EffectFacts], spans: dict[int, Span]
) -> dict[int, tuple[int, int, int]]:
    """The effects that were gone before they were undone, with when they were last seen."""
    found = {}
    for effect in applied:
        times = last_seen(record, effect, spans[effect.number]) if effect.cleared_itself else None
        if times is not None:
            found[effect.number] = times
    return found


def _began(facts: Occurrence, applied: list[EffectFacts], seen: dict[int, Fidelity]) -> Interval:
    """Between the first call to `apply` and the moment by which every part was seen.

    What a fault that holds struck later belongs to its being in force, not to its beginning.
    """
    applied = [effect for effect in applied if not effect.again]
    low = min((e.applying for e in applied if e.applying is not None), default=facts.began)
    parts = [low]
    for effect in applied:
        appeared = seen[effect.number].appeared
        accepted = effect.applied if effect.applied is not None else low
        parts.append(accepted if appeared is None else appeared[1])
    return low, max(parts)


def _last_blows(applied: list[EffectFacts]) -> list[EffectFacts]:
    """Of a fault that holds, the last of its effects on each thing: those before were not its end.

    All effects of one that doesn't.
    """
    if not any(effect.again for effect in applied):
        return applied
    return list({str(e.target): e for e in sorted(applied, key=lambda e: e.number)}.values())


def _ended(
    facts: Occurrence, applied: list[EffectFacts], seen: dict[int, Fidelity]
) -> Interval | None:
    """Between the first sign of its going and the moment by which every part was seen gone."""
    if not applied:
        return None if facts.ended is None else (facts.ended, facts.ended)
    lows, highs = [], []
    for effect in applied:
        if effect.stays_until is None:
            return None
        vanished = seen[effect.number].vanished
        if effect.cleared_itself and vanished is not None:
            lows.append(vanished[0])
            highs.append(vanished[1])
            continue
        undoing = effect.undoing if effect.undoing is not None else effect.stays_until
        lows.append(min(undoing, effect.stays_until))
        highs.append(max(effect.stays_until, vanished[1] if vanished else 0))
    return min(lows), max(highs)


def _unseen(facts: Occurrence, applied: list[EffectFacts]) -> list[str]:
    """A fault with an effect that has no witness is not witnessed."""
    if not facts.effects:
        return [] if facts.kind == "load_spike" else ["it had no effect that could be seen"]
    if not applied:
        return ["it was never applied"]
    unseen = [effect.text for effect in applied if effect.witness is None]
    if len(unseen) == len(applied):
        return ["nothing witnesses it"]
    return [f"nothing witnesses {text}" for text in unseen]


def _struck_by_others(facts: Occurrence, everything: list[EffectFacts]) -> frozenset[str]:
    """What other faults struck while this one was in force: that says nothing of this one."""
    end = max((e.stays_until or 2**62 for e in facts.effects), default=0)
    return frozenset(
        each.target.name
        for each in everything
        if (each.fault, each.occurrence) != (facts.fault, facts.number)
        and each.target is not None
        and each.applying is not None
        and each.applying < end
        and (each.stays_until is None or each.stays_until > facts.began)
    )


def _neighbours(
    record: Record,
    applied: list[EffectFacts],
    spans: dict[int, Span],
    struck: frozenset[str],
) -> str:
    answers = [
        neighbour_affected(record, neighbour, effect.witness, spans[effect.number])
        for effect in applied
        for neighbour in effect.neighbours
        if neighbour.of not in struck
    ]
    if any(answers):
        return "affected"
    return "unaffected" if any(answer is False for answer in answers) else "unknown"


def _exposure(
    record: Record,
    requests: Requests,
    facts: Occurrence,
    applied: list[EffectFacts],
    force: Window,
) -> Exposure:
    if not facts.effects or facts.aimless:
        count = requests.count(force)
        return Exposure(count, f"{counted(count, 'request')} came meanwhile")
    return exposure(record, requests, tuple(applied), force)


def _time_to_revert(applied: list[EffectFacts]) -> int | None:
    """From the first call to `undo` until the last effect was gone; of what can be reverted."""
    ours = [e for e in applied if not e.lasting and not e.cleared_itself]
    begins = [e.undoing for e in ours if e.undoing is not None]
    ends = [e.undone for e in ours if e.undone is not None]
    return max(ends) - min(begins) if begins and ends else None


def _healed_by(facts: Occurrence, applied: list[EffectFacts]) -> str:
    """Who brought back what can't be undone; nothing left to undo means the system had."""
    if not facts.lasting:
        return "system" if any(effect.cleared_itself for effect in applied) else ""
    healers = set()
    for effect in applied:
        if not effect.lasting:
            continue
        if effect.healed is not None or effect.outcome == "absent":
            healers.add("system")
        else:
            healers.add("harness" if effect.outcome == "reverted" else "nobody")
    return next((who for who in ("nobody", "harness", "system") if who in healers), "nobody")


def _together(kept: list[str]) -> str:
    for word in ("affected", "unaffected"):
        if word in kept:
            return word
    return "unknown"
