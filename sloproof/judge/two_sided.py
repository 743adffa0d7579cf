"""What the ledger's writes say of primaries: who took them, and what never came to the last one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sloproof.judge.reigns import EVER, Reign
from sloproof.record.reader import Record
from sloproof.record.schema import WriteOutcome


@dataclass(frozen=True, slots=True)
class TwoSided:
    """How many writes were acknowledged while `copy` was the primary already, and never came to it.

    Somebody else must have taken them.
    """

    copy: str
    count: int


def two_sided(record: Record, found: Sequence[Reign]) -> TwoSided | None:
    """Of the copy that is the primary in the end; None where no ledger can tell.

    Only writes that were sent after it had been seen as the primary count: whatever the one before
    took until then was lost with it, which is another matter.
    """
    last = _last_primary(record)
    reign = next((each for each in found if each.copy == last), None)
    if reign is None or not reign.sure:
        return None
    since = reign.sure[-1][0]
    writes, copies = record.table("writes"), record.table("copies")
    here = set(copies["sequence"][copies["copy"] == last].tolist())
    acknowledged = writes["outcome"] == WriteOutcome.ACKNOWLEDGED
    later = writes["sequence"][acknowledged & (writes["sent"] >= since)]
    return TwoSided(last, sum(number not in here for number in later.tolist()))


def first_acknowledged(record: Record, *, after: int) -> int | None:
    """When the first write that was sent after a moment was acknowledged; None if none was."""
    writes = record.table("writes")
    chosen = (writes["outcome"] == WriteOutcome.ACKNOWLEDGED) & (writes["sent"] >= after)
    finished = writes["finished"][chosen]
    return int(np.min(finished)) if len(finished) and int(np.min(finished)) < EVER else None


def _last_primary(record: Record) -> str:
    """The one copy that was read back as the primary, with two looks that agreed."""
    looks = [event.data for event in record.of_kind("ledger.copy")]
    names = [
        str(look["copy"])
        for look in looks
        if look.get("role") == "primary" and not look.get("error") and look.get("stable")
    ]
    return names[0] if len(names) == 1 else ""
