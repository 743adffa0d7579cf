"""When a probe's service was down, and when it was back to stay."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sloproof.contracts.probe import BUSY
from sloproof.record.reader import Samples
from sloproof.spec.objectives import RecoveryObjective


@dataclass(frozen=True, slots=True, eq=False)
class Stability:
    """The samples of a probe, and at which of them the service counts as back.

    Back are `successes` good samples in a row with a sufficient share of good ones in the time
    `stable_for` from the first of them. `steady` says for each sample whether that share holds
    from it on, `stable` whether both do.
    """

    samples: Samples
    stable_for: int
    successes: int
    steady: NDArray[np.bool_]
    stable: NDArray[np.bool_]

    @classmethod
    def of(cls, samples: Samples, objective: RecoveryObjective) -> Stability:
        """What `objective` asks, looked up at every sample."""
        samples = answered(samples)
        total = len(samples)
        good = np.concatenate(([0], np.cumsum(samples.ok.astype(np.int64))))
        first = np.arange(total)
        stable_for = objective.stable_for.ns
        after = np.searchsorted(samples.intended, samples.intended + stable_for, side="left")
        after = np.maximum(after, first + 1)
        ratio = objective.good_ratio.value
        steady = (good[after] - good[first]) * ratio.denominator >= (
            after - first
        ) * ratio.numerator
        row = np.minimum(first + objective.successes, total)
        in_a_row = (good[row] - good[first] == objective.successes) & (
            row - first == objective.successes
        )
        return cls(samples, stable_for, objective.successes, steady, steady & in_a_row)

    def first_outage(self, begin: int, end: int) -> int | None:
        """The first failed sample under way in [begin, end) that isn't one of a tolerated few."""
        inside = (self.samples.finished > begin) & (self.samples.sent < end)
        return _first(~self.samples.ok & ~self.steady & inside)

    def first_stable(self, begin: int, down: int | None) -> int | None:
        """The first sample that finished after `begin` from which the service is back.

        Later than the sample `down`, if given: by its start, for failures take their time to show.
        """
        back = self.stable & (self.samples.finished > begin)
        if down is not None:
            back[: down + 1] = False
        return _first(back)

    def confirmed_by(self, back: int) -> int:
        """When it is known that the service, back at this sample, stayed."""
        last = min(back + self.successes, len(self.samples)) - 1
        lasted = int(self.samples.intended[back]) + self.stable_for
        return max(lasted, int(self.samples.finished[last]))

    def last_failed(self, begin: int, back: int | None, end: int) -> int | None:
        """When the last failed sample before `back` was sent, of those under way after `begin`.

        Before `end`, where the service didn't come back.
        """
        failed = ~self.samples.ok & (self.samples.finished > begin)
        if back is None:
            failed &= self.samples.sent < end
        else:
            failed[back:] = False
        found = np.flatnonzero(failed)
        return int(self.samples.sent[found].max()) if len(found) else None


def answered(samples: Samples) -> Samples:
    """The samples, each that others were `busy` for in the place of the last of these.

    A busy one asked nothing: the one before it had no answer yet. Each place until the last counts
    as failed, since what was waited for there hadn't come by the next; it came at the last.
    """
    ok, sent, finished = samples.ok.copy(), samples.sent.copy(), samples.finished.copy()
    for asked, last in _waiting(samples):
        ok[last], sent[last], finished[last] = ok[asked], sent[asked], finished[asked]
        ok[asked:last] = False
        finished[asked:last] = samples.sent[asked + 1 : last + 1]
    return replace(samples, ok=ok, sent=sent, finished=finished)


def _waiting(samples: Samples) -> Iterator[tuple[int, int]]:
    """Each sample that others were busy for, with the last of them."""
    busy = np.concatenate(([False], samples.detail == BUSY, [False])).astype(np.int8)
    begins, ends = np.flatnonzero(np.diff(busy) == 1), np.flatnonzero(np.diff(busy) == -1)
    for begin, end in zip(begins.tolist(), ends.tolist(), strict=True):
        # Where the one before was over, the one that they were busy for was never recorded.
        if begin and samples.finished[begin - 1] >= samples.sent[end - 1]:
            yield begin - 1, end - 1


def _first(flags: NDArray[np.bool_]) -> int | None:
    found = np.flatnonzero(flags)
    return int(found[0]) if len(found) else None
