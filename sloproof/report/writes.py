"""What became of a ledger's writes, in words: what was answered, and what the copies have of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sloproof.report import words
from sloproof.report.figures import LedgerFigures
from sloproof.report.sections import Tile


@dataclass(frozen=True, slots=True)
class Fate:
    """How many writes came to it, what that means, and whether it is `bad`."""

    name: str
    count: str
    meaning: str
    bad: bool = False


@dataclass(frozen=True, slots=True)
class LedgerRows:
    """One ledger: its fates, or the `reason` why the copies tell nothing."""

    name: str
    answered: tuple[Fate, ...]
    kept: tuple[Fate, ...]
    reason: str


def ledger_rows(ledger: LedgerFigures) -> LedgerRows:
    """A ledger's writes by their answers, then by what was read back."""
    kept = () if ledger.lost is None else tuple(_kept(ledger))
    return LedgerRows(words.clean(ledger.name), tuple(_answered(ledger)), kept, ledger.reason)


def _answered(ledger: LedgerFigures) -> Iterator[Fate]:
    yield Fate("Acknowledged", f"{ledger.acknowledged:,}", "the system said that it has them")
    told = (
        ("Failed", ledger.failed, "the system said that it has not"),
        ("Indeterminate", ledger.indeterminate, "no answer came: applied or not, both are right"),
        ("Not sent", ledger.not_sent, "due while as many as may be were under way"),
    )
    yield from (Fate(name, f"{count:,}", meaning) for name, count, meaning in told if count)


def _kept(ledger: LedgerFigures) -> Iterator[Fate]:
    lost = ledger.lost or 0
    yield Fate("Lost", f"{lost:,}", "acknowledged before the fault, and gone", bool(lost))
    if lost and ledger.rpo_s is not None:
        age = words.interval(ledger.rpo_s)
        yield Fate("Oldest lost", age, "before the fault: the recovery point (RPO)", bad=True)
    if ledger.lost_after_fault:
        after = f"{ledger.lost_after_fault:,}"
        yield Fate(
            "Lost later", after, "acknowledged after the fault had begun, and gone", bad=True
        )
    for name, count, meaning in (
        ("Twice", ledger.duplicated, "written once, there more than once"),
        ("Phantom", ledger.phantom, "there, though the system said that it has not"),
    ):
        if count:
            yield Fate(name, f"{count:,}", meaning, bad=True)
    for copy, behind in sorted(ledger.stale.items()):
        if behind:
            yield Fate(
                "Stale", f"{behind:,}", f"the primary has them, {words.clean(copy)} had not yet"
            )


def lost_tile(ledgers: Sequence[LedgerFigures]) -> Iterator[Tile]:
    """How many acknowledged writes were lost, where a copy tells."""
    told = [ledger for ledger in ledgers if ledger.lost is not None]
    if told:
        lost = sum((ledger.lost or 0) + (ledger.lost_after_fault or 0) for ledger in told)
        note = f"of {sum(ledger.acknowledged for ledger in told):,} acknowledged"
        yield Tile("Writes lost", f"{lost:,}", note, "bad" if lost else "")
