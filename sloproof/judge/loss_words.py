"""What a ledger shows, as a finding: counts, the RPO, and every id that somebody has to look up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from sloproof.contracts import Evidence, Finding, Number, Outcome
from sloproof.judge.faults import ProvenFault
from sloproof.judge.ledger import Ledger, Mask
from sloproof.judge.losses import Loss, heaviest, losses, named, obstacles, tally, uncovered
from sloproof.judge.wording import at, count, seconds, span
from sloproof.model.verdict import worst


@dataclass(frozen=True, slots=True)
class Limits:
    """What may be lost: so many writes, so much time (nanoseconds); None is any.

    An RPO says nothing of what was acknowledged after the fault: without a count of their own,
    none of those may be lost.
    """

    at_most: int | None
    rpo: int | None


def loss_finding(
    evidence: Evidence, faults: Sequence[ProvenFault], limits: Limits, name: str = ""
) -> Finding:
    """FAIL where more is lost whoever stays the primary; PASS where it is shown that it isn't."""
    ledger = Ledger.of(evidence.record)
    if ledger is None or not len(ledger.ids):
        return Finding(Outcome.INCONCLUSIVE, "the record has no writes of a ledger")
    if name not in ("", ledger.name):
        return Finding(Outcome.INCONCLUSIVE, f"the run kept ledger {ledger.name}, not {name}")
    found = losses(ledger, faults)
    unseen = list(_unseen(ledger, faults, limits))
    missing = [*obstacles(ledger), *unseen]
    outcomes = [_outcome(loss, limits) for loss in found]
    outcome = Outcome.FAIL if set(outcomes) == {Outcome.FAIL} else worst(outcomes)
    if len(set(outcomes)) > 1 or (outcome is Outcome.PASS and missing):
        outcome = Outcome.INCONCLUSIVE
    most = heaviest(found)
    reason = f"{_lost(most, limits)} ({tally(ledger)})"
    if missing:
        reason += f"; but {missing[0]}"
    return Finding(
        outcome,
        reason,
        tuple(_numbers(ledger, most, limits, seen=not unseen)),
        (*missing[1:], *_notes(ledger, most, found)),
    )


def _outcome(loss: Loss, limits: Limits) -> Outcome:
    low, high = loss.age
    too_many = limits.at_most is not None and loss.count > limits.at_most
    uncounted = limits.at_most is None and bool(loss.after.any())
    too_old = limits.rpo is not None and low > limits.rpo
    if too_many or uncounted or too_old:
        return Outcome.FAIL
    if limits.rpo is not None and (high is None or high > limits.rpo):
        return Outcome.INCONCLUSIVE
    return Outcome.PASS


def _unseen(ledger: Ledger, faults: Sequence[ProvenFault], limits: Limits) -> Iterator[str]:
    if limits.rpo is not None:
        if reason := uncovered(ledger, faults, limits.rpo):
            yield reason
        return
    if not ledger.acknowledged.any():
        yield "nothing was acknowledged that could be lost"
    begins = [fault.began[0] for fault in faults if fault.facts.effects]
    early = ledger.acknowledged & (ledger.finished <= min(begins, default=2**62))
    if begins and ledger.acknowledged.any() and not early.any():
        yield "nothing had been acknowledged when the fault began"


def _lost(loss: Loss, limits: Limits) -> str:
    before, after = (int(np.count_nonzero(mask)) for mask in (loss.before, loss.after))
    words = f"{count(before, 'acknowledged write') if before else 'no acknowledged write'} lost"
    if loss.primary:
        words += f" on {loss.primary}"
    if before and limits.rpo is not None:
        words += f", the oldest {span(*loss.age)} before the fault (RPO {seconds(limits.rpo)})"
    elif limits.rpo is not None:
        words += f" (RPO {seconds(limits.rpo)})"
    if limits.at_most is not None:
        words += f", at most {limits.at_most:,} may be"
    if after:
        words += f", and {after:,} that were acknowledged after the fault"
    return words


def _looked(ledger: Ledger) -> bool:
    """Whether anybody can say what is lost: the primary was read, or every copy was."""
    all_read = bool(ledger.copies) and all(copy.readable for copy in ledger.copies)
    return ledger.read and (bool(ledger.primaries) or all_read)


def _measured(loss: Loss, limits: Limits, *, known: bool, seen: bool) -> Iterator[Number]:
    """What is lost beside what may be; nothing stands for what nobody looked at."""
    before, after = (int(np.count_nonzero(mask)) for mask in (loss.before, loss.after))
    if limits.at_most is not None:
        total = before + after if known else None
        yield Number("lost in all", total, "count", limits=("at most",))
        yield Number("at most", limits.at_most, "count")
    low, high = loss.age
    upper = None if high is None or not (known and seen) else at(high)
    yield Number("rpo", upper, "s", at(low) if known else None, upper, ("rpo target",))
    if limits.rpo is not None:
        yield Number("rpo target", at(limits.rpo), "s")
    yield Number("lost", before if known else None, "count")
    late = "at most after the fault"
    yield Number("lost after the fault", after if known else None, "count", limits=(late,))
    if limits.at_most is None:
        yield Number(late, 0, "count")


def _numbers(ledger: Ledger, loss: Loss, limits: Limits, *, seen: bool) -> Iterator[Number]:
    def number(name: str, mask: Mask) -> Number:
        return Number(name, int(np.count_nonzero(mask)), "count")

    yield from _measured(loss, limits, known=_looked(ledger), seen=seen)
    yield number("acknowledged", ledger.acknowledged)
    yield number("indeterminate", ledger.indeterminate)
    yield number("indeterminate applied", ledger.indeterminate & ledger.anywhere)
    yield number("failed", ledger.failed)
    yield number("not sent", ledger.not_sent)
    yield number("duplicated", ledger.duplicated)
    yield number("phantom", ledger.phantom)
    for copy in ledger.copies:
        if copy.readable and copy.role != "primary":
            yield number(f"stale {copy.name}", ledger.stale(copy))


def _notes(ledger: Ledger, loss: Loss, found: Sequence[Loss]) -> Iterator[str]:
    said = {
        "lost": loss.before,
        "lost though acknowledged after the fault": loss.after,
        "lost, but still in another copy": (loss.before | loss.after) & ledger.anywhere,
        "duplicated": ledger.duplicated,
        "there though they failed or were not sent": ledger.phantom,
    }
    for words, which in said.items():
        if which.any():
            yield f"{words}: {named(ledger, which)}"
    for copy in ledger.copies:
        if copy.dead:
            yield f"copy {copy.name} was killed by a fault and not brought back: it was not read"
        stale = ledger.stale(copy)
        if stale.any():
            age = copy.at - int(ledger.finished[stale].min())
            many = count(int(np.count_nonzero(stale)), "acknowledged write")
            yield f"copy {copy.name} lacked {many}, the oldest {seconds(age)} old: stale"
        if not copy.stable and copy.readable and copy.role != "primary":
            yield f"copy {copy.name} was still changing when it was looked at last"
    for other in found:
        if other is not loss:
            yield f"if {other.primary} stays the primary: {count(other.count, 'write')} lost"
