"""What a witness's samples say: the fault was present, was absent, or neither."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sloproof.contracts import Sense
from sloproof.contracts.probe import BUSY
from sloproof.judge.facts import WitnessPlan
from sloproof.record.reader import Samples

SECOND = 1e9
ROOM = frozenset({Sense.FREE, Sense.SCARCE})
"""Senses whose figure is what is left, not what was added."""
SIZED = frozenset({Sense.DELAY, Sense.THROUGHPUT, Sense.LEVEL}) | ROOM
"""Senses that compare a figure: noise can fake presence for a sample or two."""
SHARES = frozenset({Sense.STATUS, Sense.LOSS})
"""Senses whose size is the share of samples that felt it: some don't, by chance."""
_WORDS: dict[Sense, frozenset[str]] = {
    Sense.REFUSED: frozenset({"refused", "reset", "closed", "unreachable"}),
    Sense.BLACKHOLE: frozenset({"timeout"}),
    Sense.RESET: frozenset({"reset"}),
    Sense.LOSS: frozenset({"timeout"}),
    Sense.GONE: frozenset({"gone", "zombie"}),
    Sense.STOPPED: frozenset({"stopped"}),
    Sense.FAILING: frozenset({"failing"}),
}
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """The samples of one probe by what they say; where both flags are unset they say nothing."""

    sent: NDArray[np.int64]
    finished: NDArray[np.int64]
    size: NDArray[np.float64]
    present: Flags
    absent: Flags
    limited: Flags

    def within(self, begin: int, end: int) -> Flags:
        """The samples that were wholly under way between two times."""
        return (self.sent >= begin) & (self.finished <= end)


def read(plan: WitnessPlan, samples: Samples, begin: int, applying: int) -> Reading:
    """The samples as `plan` understands them; those of [begin, applying] are the undisturbed."""
    size = _sizes(plan.sense, samples)
    present, absent = _sized(plan, size, samples, begin, applying)
    if plan.sense not in SIZED:
        present, absent = _worded(plan.sense, samples)
    finished = samples.finished
    if plan.sense is Sense.LOSS:  # a packet's fate is known later than it is sealed
        finished = np.where(present, samples.sent, finished)
    limited = np.asarray(samples.detail == "limited", dtype=bool)
    return Reading(samples.sent, finished, size, present, absent, limited)


def median(values: NDArray[np.float64]) -> float | None:
    """The lower median of the numbers among `values`: one that was observed."""
    found = np.sort(values[np.isfinite(values)])
    return float(found[(len(found) - 1) // 2]) if len(found) else None


def _sizes(sense: Sense, samples: Samples) -> NDArray[np.float64]:
    """The figures; a sample that timed out took at least that long and brought nothing."""
    late = np.isnan(samples.value) & (samples.detail == "timeout")
    if sense is Sense.DELAY:
        return np.where(late, (samples.finished - samples.sent) / SECOND, samples.value)
    if sense is Sense.THROUGHPUT:
        return np.where(late, 0.0, samples.value)
    return samples.value


def _sized(
    plan: WitnessPlan, size: NDArray[np.float64], samples: Samples, begin: int, applying: int
) -> tuple[Flags, Flags]:
    """Present by half of the requested change or more; by less than twice the throughput; by room
    that is nearer to what was asked for than to what was there.
    """
    known = np.isfinite(size)
    if plan.sense is Sense.THROUGHPUT:
        threshold = 2 * (plan.expected or 0.0)
        return known & (size < threshold), known & (size >= threshold)
    undisturbed = median(size[(samples.sent >= begin) & (samples.finished <= applying)])
    if undisturbed is None or plan.expected is None:
        return np.zeros_like(known), np.zeros_like(known)
    if plan.sense in ROOM:
        threshold = (undisturbed + plan.expected) / 2
        known &= undisturbed > plan.expected  # less than that was free anyway: nothing can be seen
        return known & (size < threshold), known & (size >= threshold)
    threshold = undisturbed + plan.expected / 2
    present = known & (size >= threshold if plan.expected > 0 else size <= threshold)
    says = known if plan.sense is Sense.DELAY else known & (samples.detail != "limited")
    return present, ~present & says


def _worded(sense: Sense, samples: Samples) -> tuple[Flags, Flags]:
    ok: Flags = samples.ok
    if sense is Sense.OBSERVED:
        # Who didn't get to look, or not to an end, says nothing.
        return ~ok & ~np.isin(samples.detail, [BUSY, "timeout"]), ok
    if sense is Sense.STATUS:
        errors = np.array([str(word).startswith("status") for word in samples.detail], dtype=bool)
        return ~ok & errors, ok
    words = _WORDS.get(sense, frozenset())
    named = np.array([str(word) in words for word in samples.detail], dtype=bool)
    return ~ok & named, ok
