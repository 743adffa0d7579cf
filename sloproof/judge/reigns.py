"""What the copies of a store were over time: surely the primary, or possibly so.

It follows from samples of their roles and from two facts of PostgreSQL: a server starts its life as
a primary or as a standby, and a standby may become a primary, but no primary becomes a standby in
the same life. So between two samples of one life that say the same nothing else was so, whoever
could be asked meanwhile or not. A copy that nobody could ask may have been anything in between:
what can't be reached from here is not fenced. Gone is only that whose process wasn't there; from
then on nobody is connected to it, so it takes no write as long as it refuses every connection.

Between two samples that follow on each other at most one thing is taken to have happened.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, pairwise

import numpy as np

from sloproof.contracts.probe import BUSY
from sloproof.record.reader import Record, Samples

PRIMARY, STANDBY, GONE = "primary", "standby", "gone"
CLOSED = ("refused", "starting")
"""What a server says that lets nobody in: it doesn't listen, or not yet to clients."""
HOLE = 5
"""After so many intervals without a sample two no longer follow on each other."""
CLOCK = 20_000_000
"""How exactly the beginning of a life is known by the wall clock, in nanoseconds."""
EVER = 2**62

Stretch = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Look:
    """One sample that told something: what the copy was, and since when it lives (or None)."""

    sent: int
    finished: int
    role: str
    since: int | None = None


@dataclass(frozen=True, slots=True)
class Reign:
    """When one copy of a store was surely, and when it may have been the primary.

    `possible` holds all of `sure`. `unasked` is when nothing was known of it.
    """

    copy: str
    looks: tuple[Look, ...]
    sure: tuple[Stretch, ...]
    possible: tuple[Stretch, ...]
    unasked: tuple[Stretch, ...]

    def at(self, moment: int) -> bool:
        """Whether it was surely the primary then."""
        return any(begin <= moment <= end for begin, end in self.sure)

    def crowned(self, after: int) -> Stretch | None:
        """Between which times it became the primary, for the first time after a moment."""
        for before, look in pairwise((None, *self.looks)):
            if look is None or look.role != PRIMARY or look.finished <= after:
                continue
            if before is None or before.role != PRIMARY or not _one_life(before, look):
                return (after if before is None else before.sent, look.finished)
        return None


def reigns(record: Record, store: str) -> tuple[Reign, ...]:
    """Each copy of a store as its samples tell, by name."""
    prefix = f"role:{store}:"
    zero = _wall_at_origin(record)
    found = []
    for name in record.probe_names:
        samples = record.probe(name)
        if name.startswith(prefix) and samples is not None:
            found.append(_reign(name.removeprefix(prefix), samples, zero))
    return tuple(found)


def copies_of(record: Record, store: str) -> tuple[str, ...]:
    """The copies that the target's file names."""
    for event in record.of_kind("target.state"):
        stores = event.data.get("stores")
        if isinstance(stores, dict):
            return tuple(map(str, stores.get(store, ())))
    return ()


def overlaps(
    found: Sequence[Reign], begin: int, end: int, *, sure: bool
) -> list[tuple[Reign, Reign, Stretch]]:
    """When two copies at once were surely (or else possibly) primaries within [begin, end)."""
    both = []
    for one, other in combinations(found, 2):
        mine, others = (one.sure, other.sure) if sure else (one.possible, other.possible)
        for stretch in _shared(mine, others):
            low, high = max(begin, stretch[0]), min(end, stretch[1])
            if low < high:
                both.append((one, other, (low, high)))
    return sorted(both, key=lambda each: each[2])


def _reign(copy: str, samples: Samples, zero: int | None) -> Reign:
    asked = _asked(samples)
    looks = _still_gone([_look(samples, n, zero) for n in asked], samples.detail[asked])
    known = [look for look in looks if look.role]
    gap = HOLE * _interval(samples)
    possible: list[Stretch] = []
    unasked: list[Stretch] = []
    if not known:
        return Reign(copy, (), (), ((-EVER, EVER),), ((-EVER, EVER),))
    if known[0].role != STANDBY:
        possible.append((-EVER, known[0].finished))
    for one, next_one in pairwise(known):
        blind = _blind(looks, one, next_one, gap)
        unasked += [(one.finished, _back(next_one, one))] * blind
        possible += _perhaps(one, next_one, blind=blind)
    last = known[-1]
    lost = looks[-1].sent > last.sent
    unasked += [(last.finished, EVER)] * lost
    possible += [(last.sent, EVER)] * (lost or last.role == PRIMARY)
    return Reign(copy, tuple(known), _merged(_surely(known)), _merged(possible), _merged(unasked))


def _surely(known: Sequence[Look]) -> list[Stretch]:
    """Primary at both ends of a row of one life: in between, too."""
    found: list[Stretch] = []
    first: Look | None = None
    for look, after in pairwise((*known, None)):
        if look is None or look.role != PRIMARY:
            continue
        first = first or look
        if after is None or after.role != PRIMARY or not _one_life(look, after):
            found.append((first.finished, look.sent))
            first = None
    return found


def _perhaps(one: Look, other: Look, *, blind: bool) -> list[Stretch]:
    """Where it may have been a primary between two looks."""
    if PRIMARY in (one.role, other.role):
        until = other.finished if other.role != STANDBY else max(one.finished, _back(other, one))
        return [(one.sent, until)]
    if one.role == other.role == STANDBY and _one_life(one, other):
        return []
    return [(one.sent, _back(other, one))] if blind else []


def _blind(looks: Iterable[Look], one: Look, other: Look, gap: int) -> bool:
    """Whether nobody could look between them, before the later one's life began."""
    until = _back(other, one)
    return until - one.sent > gap or any(
        one.sent < look.sent < min(until, other.sent) and not look.role for look in looks
    )


def _back(look: Look, before: Look) -> int:
    """How far back a look tells: a standby has been one for all of its life.

    A life that began before the copy was last seen in another one has a clock that can't be right.
    """
    if look.role == STANDBY and look.since is not None and look.since + CLOCK > before.sent:
        return min(look.sent, look.since + CLOCK)
    return look.sent


def _one_life(one: Look, other: Look) -> bool:
    return one.since is not None and one.since == other.since


def _look(samples: Samples, n: int, zero: int | None) -> Look:
    word = str(samples.detail[n])
    role = word if word in (PRIMARY, STANDBY, GONE) else ""
    since = None
    if role in (PRIMARY, STANDBY) and not np.isnan(samples.value[n]):
        since = round(float(samples.value[n]) * 1e9) - (zero or 0)
    return Look(int(samples.sent[n]), int(samples.finished[n]), role, since)


def _asked(samples: Samples) -> list[int]:
    """Which samples asked something: all but those that were due while another was under way.

    What is known of such a time is what the one under way came to.
    """
    found: list[int] = []
    until = -EVER
    for n in range(len(samples)):
        if samples.detail[n] != BUSY or samples.sent[n] > until:
            found.append(n)
            until = max(until, int(samples.finished[n]))
    return found


def _still_gone(looks: list[Look], words: Iterable[object]) -> list[Look]:
    """What was gone and lets nobody in yet is as good as gone: a server that is starting."""
    found: list[Look] = []
    for look, word in zip(looks, words, strict=True):
        gone = bool(found) and found[-1].role == GONE and str(word) in CLOSED
        found.append(replace(look, role=GONE) if gone else look)
    return found


def _interval(samples: Samples) -> int:
    gaps = np.sort(np.diff(samples.intended))
    return max(1, int(gaps[(len(gaps) - 1) // 2])) if len(gaps) else 1


def _wall_at_origin(record: Record) -> int | None:
    wall = record.events[0].data.get("wall_ns")
    return wall if isinstance(wall, int) else None


def _merged(stretches: Iterable[Stretch]) -> tuple[Stretch, ...]:
    found: list[Stretch] = []
    for begin, end in sorted(stretches):
        if end <= begin:
            continue
        if found and begin <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((begin, end))
    return tuple(found)


def _shared(ones: Sequence[Stretch], others: Sequence[Stretch]) -> list[Stretch]:
    return [
        (max(one[0], other[0]), min(one[1], other[1]))
        for one in ones
        for other in others
        if max(one[0], other[0]) < min(one[1], other[1])
    ]
