"""What was lost of the acknowledged writes: how many, and how old the oldest was at the fault."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from sloproof.judge.faults import Interval, ProvenFault
from sloproof.judge.ledger import Ledger, Mask
from sloproof.judge.wording import count, listed, seconds

LEAST_LENGTH = Fraction(12, 10)
"""So many RPOs a ledger has to be at work before the fault; what is older it can't have seen."""
WIDEST_GAP = Fraction(1, 10)
"""So much of an RPO may lie between two acknowledged writes: what is lost in between isn't seen."""


@dataclass(frozen=True, slots=True, eq=False)
class Loss:
    """What is lost if `primary` is the copy that stays ("" where none says that it is).

    `before` are those that a backlog explains, `after` those of a split brain; `age` is how old
    the oldest of `before` was at the fault, as an interval, (0, 0) without any. Its upper end is
    None where even the first acknowledged write is lost: older ones may be as well.
    """

    primary: str
    before: Mask
    after: Mask
    age: tuple[int, int | None]

    @property
    def count(self) -> int:
        """How many are lost in all."""
        return int(np.count_nonzero(self.before) + np.count_nonzero(self.after))


def losses(ledger: Ledger, faults: Sequence[ProvenFault]) -> tuple[Loss, ...]:
    """What is lost, once for each copy that may be the primary; at least one."""
    begins = _begins(faults)
    if ledger.primaries:
        lost = [(copy.name, ledger.acknowledged & ~copy.has) for copy in ledger.primaries]
    elif ledger.copies and all(copy.readable for copy in ledger.copies):
        lost = [("", ledger.acknowledged & ~ledger.anywhere)]
    else:
        lost = [("", np.zeros(len(ledger.ids), bool))]
    return tuple(_loss(ledger, name, mask, begins) for name, mask in lost)


def heaviest(found: Sequence[Loss]) -> Loss:
    """The greatest of what may be lost."""
    return max(found, key=lambda loss: loss.count)


def obstacles(ledger: Ledger) -> Iterator[str]:
    """Why it can't be shown that nothing more is lost."""
    yield from ledger.wrong
    if not ledger.read or not ledger.copies:
        yield "the copies were not read back"
        return
    for copy in ledger.copies:
        if copy.dead:
            continue
        if not copy.readable:
            yield f"copy {copy.name} could not be read: {copy.error}"
        elif not copy.role:
            yield f"whether copy {copy.name} is the primary could not be told"
        if copy.strange:
            yield f"copy {copy.name} has {listed(copy.strange)}, which the ledger never wrote"
    for copy in ledger.primaries:
        if not copy.stable:
            yield f"copy {copy.name} was still changing when it was looked at last"
    if len(ledger.primaries) != 1:
        names = listed([copy.name for copy in ledger.primaries])
        yield f"{names} are primaries, both" if names else "no copy is the primary"


def uncovered(ledger: Ledger, faults: Sequence[ProvenFault], rpo: int) -> str:
    """Why this ledger could not have seen a loss of `rpo` nanoseconds at the first fault, or ""."""
    begins = _begins(faults)
    if not begins:
        return "no fault was injected, so nothing counts from one"
    at = begins[0][0]
    times = np.sort(ledger.finished[ledger.acknowledged])
    times = times[times <= at]
    if not len(times):
        return "nothing had been acknowledged when the fault began"
    length, least = at - int(times[0]), int(rpo * LEAST_LENGTH)
    if length < least:
        return (
            f"writes were acknowledged for {seconds(length)} before the fault, where an RPO of "
            f"{seconds(rpo)} takes {seconds(least)}"
        )
    since = times[max(0, int(np.searchsorted(times, at - least)) - 1) :]
    gap, widest = int(np.diff([*since, at]).max()), int(rpo * WIDEST_GAP)
    if gap > widest:
        return (
            f"before the fault nothing was acknowledged for {seconds(gap)}, where an RPO of "
            f"{seconds(rpo)} allows gaps of {seconds(widest)}"
        )
    return ""


def named(ledger: Ledger, which: Mask, most: int = 20) -> str:
    """The ids of some writes, those that follow on each other as "first to last".

    After `most` such rows only how many writes there are beside them.
    """
    places = np.flatnonzero(which)
    rows = np.split(places, np.flatnonzero(np.diff(places) > 1) + 1)
    ids = ledger.ids
    said = [
        f"{ids[row[0]]} to {ids[row[-1]]}" if len(row) > 1 else f"{ids[row[0]]}" for row in rows
    ]
    rest = sum(map(len, rows[most:]))
    more = f" and {rest:,} more" if rest else ""
    return f"{', '.join(said[:most])}{more}"


def _begins(faults: Sequence[ProvenFault]) -> list[Interval]:
    """When each fault that does something to the system began, in order."""
    return sorted(fault.began for fault in faults if fault.facts.effects)


def _loss(ledger: Ledger, primary: str, lost: Mask, begins: list[Interval]) -> Loss:
    last = max((high for _, high in begins), default=None)
    after = lost & (ledger.sent > last) if last is not None else np.zeros(len(lost), bool)
    before = lost & ~after
    return Loss(primary, before, after, _age(ledger, before, begins))


def _age(ledger: Ledger, lost: Mask, begins: list[Interval]) -> tuple[int, int | None]:
    """Between the least and the greatest age that the oldest may have had.

    A write was in the store somewhere between its sending and its acknowledgement, a fault began
    somewhere in its interval; of several faults, any that had not certainly begun when the write
    was sent may have lost it.
    """
    if not lost.any() or not begins:
        return 0, 0
    low = high = 0
    for sent, finished in zip(ledger.sent[lost], ledger.finished[lost], strict=True):
        mine = [begin for begin in begins if begin[1] >= sent]
        low = max(low, mine[0][0] - int(finished))
        high = max(high, mine[-1][1] - int(sent))
    first = np.flatnonzero(ledger.acknowledged)[0]
    oldest = ledger.acknowledged & (ledger.finished <= ledger.finished[first])
    return low, None if (oldest & lost).any() else high


def tally(ledger: Ledger) -> str:
    """How the writes went, for people."""
    done = int(np.count_nonzero(ledger.acknowledged))
    return f"{count(done, 'write')} of {len(ledger.ids):,} acknowledged"
