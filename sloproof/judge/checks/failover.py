"""The claim that another copy of a store takes over, and that there are never two primaries."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

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
from sloproof.judge.faults import ProvenFault
from sloproof.judge.ledger import Ledger
from sloproof.judge.reigns import Reign, copies_of, overlaps, reigns
from sloproof.judge.study import faults_of
from sloproof.judge.two_sided import empty_handed, first_acknowledged, two_sided
from sloproof.judge.wording import after_warm_up, at, count, listed, seconds, span
from sloproof.model.verdict import worst

Part = tuple[Outcome, str, tuple[Number, ...]]


@dataclass(frozen=True, slots=True)
class Change:
    """A fault that struck the primary `old`, and which copy became the next one, and when.

    `low` and `high` bound how long it took from the fault; without `new` it took at least `low`.
    `lacks` is how many writes were acknowledged before it, where the next one has none of them.
    """

    fault: str
    old: str
    new: str
    low: int
    high: int | None
    lacks: int = 0


class Failover(Check):
    """No moment has two primaries of `store`, and one that is struck is replaced `within`.

    `at_most_one: false` leaves out the first half, no `within` the second.
    """

    kind = "failover"
    sources = (Source.ROLES,)

    store: StoreName
    within: Duration | None = None
    at_most_one: bool = True

    def label(self) -> str:
        """The store."""
        return self.store

    def judge(self, evidence: Evidence) -> Finding:
        """Both halves on their own; the worse of them counts."""
        found = reigns(evidence.record, self.store)
        missing = _missing(evidence, self.store, found)
        if missing:
            return Finding(Outcome.INCONCLUSIVE, missing)
        window = _until_the_end(evidence)
        parts: list[Part] = []
        if self.at_most_one:
            parts.append(_at_most_one(evidence, found, window))
        if self.within is not None:
            parts.append(_within(evidence, found, window, self.within.ns))
        if not parts:
            return Finding(Outcome.INCONCLUSIVE, "it claims nothing: at_most_one is false")
        outcome = worst(each for each, _, _ in parts)
        reason = "; ".join(words for each, words, _ in parts if each is outcome)
        return Finding(outcome, reason, tuple(n for _, _, numbers in parts[::-1] for n in numbers))


def _missing(evidence: Evidence, store: str, found: tuple[Reign, ...]) -> str:
    """Which copies the record lacks, or "" where it has all."""
    named = copies_of(evidence.record, store)
    seen = {reign.copy for reign in found}
    unseen = [name for name in named if name not in seen]
    if unseen:
        return f"what {listed(unseen)} was is not recorded: no probe asked"
    if len(found) < 2:
        return f"{count(len(found), 'copy of')} {store} was asked what it is: it takes two"
    blank = [reign.copy for reign in found if not reign.looks]
    return f"{listed(blank)} never said what it was" if blank else ""


def _until_the_end(evidence: Evidence) -> Window:
    """What a fault brings about shows after it, too."""
    window, run = evidence.window, evidence.windows["run"]
    return Window(window.name, window.begin, run.end) if _of_a_fault(window) else window


def _of_a_fault(window: Window) -> bool:
    return window.name.startswith("fault:")


def _at_most_one(evidence: Evidence, found: tuple[Reign, ...], window: Window) -> Part:
    """FAIL where two were seen, or where writes show it; PASS where there was no room for two."""
    zero = evidence.windows["run"].begin
    both = overlaps(found, window.begin, window.end, sure=True)
    lost = two_sided(Ledger.of(evidence.record), found)
    maybe = overlaps(found, window.begin, window.end, sure=False)
    lasted, longest = (sum(end - begin for _, _, (begin, end) in each) for each in (both, maybe))
    limit = Number("limit of two primaries", 0, "s")
    numbers = (
        Number("two primaries", at(longest), "s", at(lasted), at(longest), (limit.name,)),
        limit,
        *(() if lost is None else (Number("two-sided writes", lost.count, "count"),)),
    )
    if both:
        one, other, (begin, _) = both[0]
        words = (
            f"{one.copy} and {other.copy} were both primaries for {seconds(lasted)}, first seen "
            f"{after_warm_up(begin - zero)}: split brain"
        )
        return Outcome.FAIL, words, numbers
    if lost is not None and lost.count:
        words = (
            f"{count(lost.count, 'write')} acknowledged after {lost.copy} had become the primary "
            f"never reached it: somebody else took writes, too"
        )
        return Outcome.FAIL, words, numbers
    if maybe:
        return Outcome.INCONCLUSIVE, _doubt(maybe[0], zero), numbers
    words = f"at no moment two of {listed([reign.copy for reign in found])} were primaries"
    return Outcome.PASS, words, numbers


def _doubt(maybe: tuple[Reign, Reign, tuple[int, int]], zero: int) -> str:
    one, other, (begin, end) = maybe
    moment = after_warm_up(begin - zero)
    for reign in (one, other):
        if any(low < end and begin < high for low, high in reign.unasked):
            known = other if reign is one else one
            return (
                f"{reign.copy} could not be asked for {seconds(end - begin)} from {moment} on, "
                f"while {known.copy} was or may have been the primary: what can't be reached from "
                f"here is not shown to be no primary"
            )
    return (
        f"{one.copy} and {other.copy} may both have been primaries for {seconds(end - begin)} from "
        f"{moment} on, between two samples"
    )


def _within(evidence: Evidence, found: tuple[Reign, ...], window: Window, limit: int) -> Part:
    changes = list(_changes(evidence, found, window))
    if not changes:
        reason = (
            "no fault struck the store's primary (name it by `during: {fault: NAME}` where it does "
            "so by way of something else)"
        )
        return Outcome.INCONCLUSIVE, reason, ()
    outcomes = [_in_time(each, limit) for each in changes]
    outcome = worst(outcomes)
    telling = [each for each, o in zip(changes, outcomes, strict=True) if o is outcome]
    slowest = max(telling, key=lambda each: (each.high is None, each.high or each.low))
    numbers = tuple(_number(each, several=len(changes) > 1) for each in changes)
    return outcome, _words(slowest, limit), (*numbers, Number("at most", at(limit), "s"))


def _changes(evidence: Evidence, found: tuple[Reign, ...], window: Window) -> Iterator[Change]:
    named = window.name.removeprefix("fault:") if _of_a_fault(window) else ""
    for fault in faults_of(evidence):
        began = fault.began
        old = next((reign for reign in found if _reigned(reign, began[0])), None)
        about = fault.facts.fault == named or (not named and _struck(fault, old))
        if old is None or not about or not window.begin <= began[1] <= window.end:
            continue
        taken = [
            (stretch, reign.copy)
            for reign in found
            if reign is not old and (stretch := reign.crowned(began[0]))
        ]
        if not taken:
            yield Change(fault.name, old.copy, "", max(0, window.end - began[1]), None)
            continue
        (low, high), new = min(taken)
        high_or_none: int | None = high
        lacks = 0
        ledger = Ledger.of(evidence.record)
        if ledger is not None:
            written = first_acknowledged(ledger, after=high)
            high_or_none = None if written is None else max(high, written)
            lacks = empty_handed(ledger, new, began[0])
        yield Change(
            fault.name,
            old.copy,
            new,
            max(0, low - began[1]),
            None if high_or_none is None else high_or_none - began[0],
            lacks,
        )


def _reigned(reign: Reign, moment: int) -> bool:
    """Whether it was the primary as far as anybody had seen before a moment."""
    before = [look for look in reign.looks if look.finished <= moment]
    return bool(before) and before[-1].role == "primary"


def _struck(fault: ProvenFault, old: Reign | None) -> bool:
    names = {getattr(effect.target, "name", "") for effect in fault.facts.effects}
    return old is not None and old.copy in names


def _in_time(change: Change, limit: int) -> Outcome:
    if change.low > limit:
        return Outcome.FAIL
    timely = change.high is not None and change.high <= limit and not change.lacks
    return Outcome.PASS if timely else Outcome.INCONCLUSIVE


def _words(change: Change, limit: int) -> str:
    about, target = f"after {change.fault} had struck {change.old}", f"(at most {seconds(limit)})"
    if not change.new:
        return f"{about}, no other copy became the primary for {seconds(change.low)} {target}"
    if change.lacks:
        return (
            f"{about}, {change.new} became the primary with none of the "
            f"{count(change.lacks, 'write')} acknowledged before: it was no standby of {change.old}"
        )
    if change.high is None:
        return f"{about}, {change.new} became the primary, but no write was acknowledged {target}"
    return f"{about}, {change.new} was the primary {span(change.low, change.high)} later {target}"


def _number(change: Change, *, several: bool) -> Number:
    after = f" after {change.fault}" if several else ""
    high = None if change.high is None else at(change.high)
    return Number(f"failover{after}", high, "s", at(change.low), high, ("at most",))
