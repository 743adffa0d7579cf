"""The claim that a system bears a full or failing disk: it goes on, says no, and comes back."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from sloproof.contracts import (
    Check,
    Duration,
    Evidence,
    Finding,
    Number,
    Outcome,
    Ratio,
    Source,
    VolumeName,
    Window,
)
from sloproof.judge.faults import ProvenFault
from sloproof.judge.requests import Requests, Sort
from sloproof.judge.study import faults_of, requests_of
from sloproof.judge.wording import at, count, listed, percent, seconds, span
from sloproof.model.verdict import worst
from sloproof.record.schema import NEVER, RequestOutcome
from sloproof.spec.matching import status_matches
from sloproof.spec.objectives import Matcher

STEADY = 20
"""So many good answers in a row, to the last one that was watched, are a recovery."""


class Disk(Check):
    """While `volume` is in trouble requests are served or refused, and soon after served again."""

    kind = "disk"
    sources = (Source.REQUESTS,)
    windowed = False
    tolerances = MappingProxyType({"recovers_within": Duration})

    volume: VolumeName
    refuses: tuple[int | str, ...] = (503, 507)
    serves: Ratio = Ratio(Fraction(0))
    recovers_within: Duration = Duration(10_000_000_000)

    def label(self) -> str:
        """The volume."""
        return self.volume

    def judge(self, evidence: Evidence) -> Finding:
        """By each request that was due while the fault certainly was in force, and after it."""
        struck = _struck(evidence, self.volume)
        if not struck:
            why = f"nothing was injected on the volume {self.volume}"
            return Finding(Outcome.INCONCLUSIVE, why)
        relaxed = evidence.tolerance.get("recovers_within")
        within = relaxed if isinstance(relaxed, Duration) else self.recovers_within
        requests, run = requests_of(evidence), evidence.windows["run"]
        begins = [fault.began[0] for fault in faults_of(evidence)]
        found = []
        for fault in struck:
            later = min((t for t in begins if t > fault.began[0]), default=run.end)
            found += [self._during(requests, fault), _after(requests, fault, later, within)]
        outcome = worst([each.outcome for each in found])
        telling = [each.reason for each in found if each.outcome is outcome]
        asked = (_limit(within), Number("at least", float(self.serves), "ratio"))
        numbers = (*(n for each in found for n in each.numbers), *asked)
        return Finding(outcome, f"{self.volume}: {'; '.join(dict.fromkeys(telling))}", numbers)

    def _during(self, requests: Requests, fault: ProvenFault) -> Finding:
        """Served, refused as it was agreed, or failed in any other way."""
        served, refused, failed = 0, 0, Counter[str]()
        for sort, number in _counted(requests, fault.force).items():
            if sort.outcome is RequestOutcome.OK:
                served += number
            elif self._refusal(sort):
                refused += number
            else:
                failed[_how(sort)] += number
        total = served + refused + failed.total()
        words = (
            f"while {fault.name} was in force {served:,} of {count(total, 'request')} were served"
        )
        outcome, reason = self._decided(served, refused, failed, words)
        numbers = [("served", served), ("refused", refused), ("failed", failed.total())]
        share = Number("share", served / total if total else None, "ratio", limits=("at least",))
        counted = (Number(n, v, "count") for n, v in numbers)
        return Finding(outcome, reason, (*counted, *((share,) if self.serves.value else ())))

    def _refusal(self, sort: Sort) -> bool:
        matcher = Matcher(status=tuple(map(str, self.refuses)))
        return bool(self.refuses) and sort.answered and status_matches(matcher, sort.status)

    def _decided(
        self, served: int, refused: int, failed: Counter[str], words: str
    ) -> tuple[Outcome, str]:
        total = served + refused + failed.total()
        if not total:
            return Outcome.INCONCLUSIVE, "no request was due while it certainly was in force"
        if failed:
            ways = listed([f"{number:,} {how}" for how, number in failed.most_common()])
            return Outcome.FAIL, f"{words} and {refused:,} refused, but others failed: {ways}"
        share = Fraction(served, total)
        if share < self.serves.value:
            least = self.serves.value
            return Outcome.FAIL, f"{words}, {percent(share, beside=least)}, not {self.serves}"
        if self.refuses and not refused:
            return Outcome.INCONCLUSIVE, f"{words} and none refused: nobody met it"
        return Outcome.PASS, f"{words}, {refused:,} refused, and none failed otherwise"


def _struck(evidence: Evidence, volume: str) -> list[ProvenFault]:
    """The faults on this volume that came into force."""
    names = {
        (str(event.data["fault"]), int(str(event.data["occurrence"])))
        for event in evidence.record.of_kind("fault.injecting")
        if volume in _names(event.data.get("where"))
    }
    return [
        fault
        for fault in faults_of(evidence)
        if (fault.facts.fault, fault.facts.number) in names
        and any(effect.applied is not None for effect in fault.facts.effects)
    ]


def _names(where: object) -> list[str]:
    return [str(each) for each in where] if isinstance(where, list) else []


def _counted(requests: Requests, window: Window) -> dict[Sort, int]:
    """How many requests of each sort were due in a window."""
    found: Counter[Sort] = Counter()
    for chunk, rows in requests.rows(window):
        sorts, numbers = np.unique(chunk.sort[rows], return_counts=True)
        for sort, number in zip(sorts.tolist(), numbers.tolist(), strict=True):
            found[requests.sorts[sort]] += number
    return found


def _how(sort: Sort) -> str:
    if sort.answered:
        return f"with status {sort.status}"
    return {
        RequestOutcome.TIMEOUT: "without an answer in time",
        RequestOutcome.NO_SLOT: "that found no free slot",
        RequestOutcome.UNFINISHED: "that were never finished",
    }.get(sort.outcome, "without an answer")


def _after(requests: Requests, fault: ProvenFault, until: int, within: Duration) -> Finding:
    """From the fault's end to the first good answer behind the last that was not good."""
    if fault.ended is None:
        return Finding(Outcome.INCONCLUSIVE, f"{fault.name} was never seen to end")
    low_end, high_end = fault.ended
    last_bad = _last_bad(requests, Window("after", low_end, until))
    low = 0 if last_bad is None else max(0, last_bad - high_end)
    begin = low_end if last_bad is None else last_bad + 1
    good, first = _good(requests, Window("again", begin, until))
    if good < STEADY:
        if low > within.ns:
            why = f"{seconds(low)} after {fault.name} requests still failed (at most {within})"
            return Finding(Outcome.FAIL, why, (_took(low, None),))
        why = f"fewer than {STEADY} good answers in a row were seen at the end of {fault.name}"
        return Finding(Outcome.INCONCLUSIVE, why)
    high = max(low, first - low_end)
    words = f"served again {span(low, high)} after {fault.name} (at most {within})"
    outcome = Outcome.FAIL if low > within.ns else Outcome.INCONCLUSIVE
    return Finding(Outcome.PASS if high <= within.ns else outcome, words, (_took(low, high),))


def _last_bad(requests: Requests, window: Window) -> int | None:
    """When the last request was due that was not served."""
    well, last = _well(requests), None
    for chunk, rows in requests.rows(window):
        due = chunk.intended[rows][~well[chunk.sort[rows]]]
        if len(due):
            last = max(int(due.max()), last or 0)
    return last


def _good(requests: Requests, window: Window) -> tuple[int, int]:
    """How many of the requests due in the window were served, and when the first was answered."""
    well, number, first, answered = _well(requests), 0, NEVER, NEVER
    for chunk, rows in requests.rows(window):
        inside = np.zeros(len(chunk.intended), bool)
        inside[rows] = well[chunk.sort[rows]]
        number += int(np.count_nonzero(inside))
        due = chunk.intended[inside]
        if len(due) and int(due.min()) < first:
            first = int(due.min())
            answered = first + int(chunk.finite(inside)[np.argmin(due)])
    return number, answered


def _well(requests: Requests) -> NDArray[np.bool_]:
    return np.array([sort.outcome is RequestOutcome.OK for sort in requests.sorts], dtype=bool)


def _took(low: int, high: int | None) -> Number:
    upper = None if high is None else at(high)
    return Number("recovered after", upper, "s", at(low), upper, ("at most",))


def _limit(within: Duration) -> Number:
    return Number("at most", at(within.ns), "s")
