"""What the ledger's writes say of primaries: who took them, and what never came to the last one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sloproof.judge.ledger import Ledger
from sloproof.judge.reigns import Reign
from sloproof.record.schema import NEVER


@dataclass(frozen=True, slots=True)
class TwoSided:
    """How many writes were acknowledged while `copy` was the primary already, and never came to it.

    Somebody else must have taken them.
    """

    copy: str
    count: int


def two_sided(ledger: Ledger | None, found: Sequence[Reign]) -> TwoSided | None:
    """Of the copy that is the primary in the end; None where no ledger can tell.

    Only writes that were sent after it had been seen as the primary count: whatever the one before
    took until then was lost with it, which is another matter.
    """
    if ledger is None or ledger.wrong or len(ledger.primaries) != 1:
        return None
    [last] = ledger.primaries
    reign = next((each for each in found if each.copy == last.name), None)
    if reign is None or not reign.sure or not last.stable:
        return None
    later = ledger.acknowledged & (ledger.sent >= reign.sure[-1][0]) & (ledger.finished <= last.at)
    return TwoSided(last.name, int(np.count_nonzero(later & ~last.has)))


def empty_handed(ledger: Ledger, copy: str, before: int) -> int:
    """How many writes were acknowledged before a moment, if a copy has none of them; else 0."""
    found = next((each for each in ledger.copies if each.name == copy and each.readable), None)
    due = ledger.acknowledged & (ledger.finished <= before)
    if found is None or (due & found.has).any():
        return 0
    return int(np.count_nonzero(due))


def first_acknowledged(ledger: Ledger, *, after: int) -> int | None:
    """When the first write that was sent after a moment was acknowledged; None if none was."""
    finished = ledger.finished[ledger.acknowledged & (ledger.sent >= after)]
    first = int(np.min(finished)) if len(finished) else NEVER
    return None if first == NEVER else first
