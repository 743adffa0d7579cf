"""The claim that a restored backup holds what was acknowledged up to its moment, and no more."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sloproof.contracts import Check, Evidence, Finding, Number, Outcome, Source
from sloproof.judge.ledger import Ledger, Mask
from sloproof.judge.restored import Restored, restored_copies
from sloproof.judge.wording import after_warm_up, count, listed, seconds
from sloproof.model.verdict import worst

MOST_NAMED = 3

Part = tuple[Outcome, str, tuple[Number, ...]]


class Backup(Check):
    """A restored copy holds each write acknowledged before its moment once, and none after it.

    A restore that fails, by its own word or by taking too long, is a backup of no use. Without
    `copy` the claim is about every copy that was restored.
    """

    kind = "backup"
    sources = (Source.WRITES,)
    windowed = False

    copy: str = ""

    def label(self) -> str:
        """The restored copy's name, if it is given."""
        return self.copy

    def judge(self, evidence: Evidence) -> Finding:
        """Each restored copy on its own; the worst of them counts."""
        ledger = Ledger.of(evidence.record)
        if ledger is None:
            return Finding(Outcome.INCONCLUSIVE, "there is no ledger of writes")
        if ledger.wrong:
            return Finding(Outcome.INCONCLUSIVE, "; ".join(ledger.wrong))
        copies = restored_copies(evidence.record, ledger)
        chosen = [each for each in copies if self.copy in ("", each.read.name)]
        if not chosen:
            name = f" {self.copy}" if self.copy else ""
            return Finding(Outcome.INCONCLUSIVE, f"no restored copy{name} was read back")
        zero = evidence.windows["run"].begin
        parts = [_part(ledger, each, zero) for each in chosen]
        outcome = worst(each for each, _, _ in parts)
        reason = "; ".join(words for each, words, _ in parts if each is outcome)
        return Finding(outcome, reason, tuple(n for _, _, numbers in parts for n in numbers))


@dataclass(frozen=True, slots=True, eq=False)
class Compared:
    """What a restored copy should have, and what it has.

    A write in flight at the moment, or one whose fate nobody knows, may be there or not.
    """

    due: Mask
    missing: Mask
    early: Mask
    """There, though sent after the moment."""
    false: Mask
    """There, though it certainly was not applied."""
    twice: Mask
    later: Mask
    """Acknowledged writes after the moment: they show that it was one."""


def _compared(ledger: Ledger, copy: Restored) -> Compared:
    low, high = copy.until
    due = ledger.acknowledged & (ledger.finished <= low)
    later = ledger.sent > high
    return Compared(
        due=due,
        missing=due & ~copy.read.has,
        early=copy.read.has & later & ~ledger.not_sent,
        false=copy.read.has & (ledger.failed | ledger.not_sent),
        twice=copy.read.times > 1,
        later=ledger.acknowledged & later,
    )


def _part(ledger: Ledger, copy: Restored, zero: int) -> Part:
    name, low, high = copy.read.name, *copy.until
    moment = f"{after_warm_up((low + high) // 2 - zero)} (± {seconds((high - low) // 2)})"
    if copy.failed:
        words = f"{name} could not be restored as of {moment}: {copy.read.error}"
        return Outcome.FAIL, words, ()
    if copy.read.error:
        return Outcome.INCONCLUSIVE, f"{name} could not be read back: {copy.read.error}", ()
    found = _compared(ledger, copy)
    numbers = tuple(
        Number(f"{words} {name}", int(np.count_nonzero(which)), "count")
        for words, which in (
            ("due", found.due),
            ("missing", found.missing),
            ("too new", found.early),
            ("false", found.false),
            ("twice", found.twice),
        )
    )
    wrong = [
        f"{count(int(np.count_nonzero(which)), 'write')} {what} ({_named(ledger, which)})"
        for which, what in (
            (found.missing, "acknowledged before it missing"),
            (found.early, "of after it there"),
            (found.false, "there that was never applied"),
            (found.twice, "there more than once"),
        )
        if which.any()
    ]
    wrong += [f"{count(len(copy.read.strange), 'id')} unknown"] * bool(copy.read.strange)
    about = f"{name}, restored as of {moment}"
    if wrong:
        return Outcome.FAIL, f"{about}: {'; '.join(wrong)}", numbers
    if not found.due.any():
        return Outcome.INCONCLUSIVE, f"{about}: no write was acknowledged before it", numbers
    if not found.later.any():
        words = f"{about}: no write was acknowledged after it, so any copy would do"
        return Outcome.INCONCLUSIVE, words, numbers
    due = count(int(np.count_nonzero(found.due)), "write")
    return Outcome.PASS, f"{about}, holds all {due} acknowledged before and none after", numbers


def _named(ledger: Ledger, which: Mask) -> str:
    return listed([str(name) for name in ledger.ids[which]], MOST_NAMED)
