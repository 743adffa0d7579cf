"""The claim that the users' traffic leaves a region and goes to another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Annotated

from pydantic import Field

from sloproof.contracts import (
    Check,
    Duration,
    Evidence,
    Finding,
    Number,
    Outcome,
    Ratio,
    RegionName,
    ServiceName,
    Source,
    Window,
)
from sloproof.judge.faults import ProvenFault
from sloproof.judge.ratio import Count, as_number, needed
from sloproof.judge.study import faults_of
from sloproof.judge.wording import at, count, percent
from sloproof.model.verdict import worst
from sloproof.record.reader import Record
from sloproof.record.schema import Call


@dataclass(frozen=True, slots=True)
class Arrival:
    """A call from outside of all regions into one, sent to within `error` of a time."""

    region: str
    sent: int
    error: int


class TrafficShift(Check):
    """So long after the fault `at_least` this share of calls from outside go to the region `to`.

    Counted are calls that reach a region from a service without one, of those only the ones to the
    service `of` where that is given; attempts that failed count for where they went. Before the
    fault some have to go to the region `from`.
    """

    kind = "traffic_shift"
    sources = (Source.CALLS,)

    source: Annotated[RegionName, Field(alias="from")]
    to: RegionName
    within: Duration
    at_least: Ratio = Ratio(Fraction(99, 100))
    of: ServiceName = ""

    def label(self) -> str:
        """Both regions."""
        return f"{self.source}-{self.to}"

    def judge(self, evidence: Evidence) -> Finding:
        """PASS if the share held from the earliest moment that counts, FAIL if not from the last.

        The moment is `within` after the fault's beginning, which lies between two times. Of several
        faults the worst counts. Fewer calls than one that may go astray show nothing.
        """
        window = evidence.window
        named = window.name.removeprefix("fault:") if window.name.startswith("fault:") else ""
        faults = [each for each in faults_of(evidence) if named in ("", each.facts.fault)]
        if not faults:
            return Finding(Outcome.INCONCLUSIVE, "no fault was injected that would shift traffic")
        arrivals = list(_arrivals(evidence.record, self.of))
        if not arrivals:
            reason = "no call from outside into a region was recorded"
            return Finding(Outcome.INCONCLUSIVE, reason)
        run = evidence.windows["run"]
        found = [self._after(fault, arrivals, run) for fault in faults]
        decided = worst(each.outcome for each in found)
        return next(each for each in found if each.outcome is decided)

    def _after(self, fault: ProvenFault, arrivals: list[Arrival], run: Window) -> Finding:
        ended = fault.ended[0] if fault.ended is not None else run.end
        end = ended if ended > fault.began[1] else run.end
        before = _share(arrivals, Window("before", run.begin, fault.began[0]), self.source)
        early = Window("after", fault.began[0] + self.within.ns, end)
        late = Window("after", fault.began[1] + self.within.ns, end)
        shares = [_share(arrivals, each, self.to) for each in (early, late)]
        numbers = (
            as_number(f"to {self.source} before", before),
            replace(as_number(f"to {self.to} after", shares[0]), limits=("at least", "within")),
            Number("calls after", shares[0].total, "count"),
            Number("at least", float(self.at_least), "ratio"),
            Number("within", at(self.within.ns), "s"),
        )
        outcome, reason = self._decided(before, shares, fault.name)
        return Finding(outcome, reason, numbers)

    def _decided(self, before: Count, shares: list[Count], fault: str) -> tuple[Outcome, str]:
        if not before.good:
            return Outcome.INCONCLUSIVE, f"no call went to {self.source} before {fault}"
        if shares[0].ratio is None or shares[1].ratio is None:
            words = f"no call came later than {self.within} after {fault}"
            return Outcome.INCONCLUSIVE, words
        shown = percent(shares[0].ratio, beside=self.at_least.value)
        words = (
            f"{shown} of {count(shares[0].total, 'call')} went to {self.to} from {self.within} "
            f"after {fault} on (at least {self.at_least}); before it "
            f"{percent(before.ratio or Fraction(0))} went to {self.source}"
        )
        if shares[0].ratio >= self.at_least.value:
            least = needed(self.at_least.value)
            if shares[0].total >= least:
                return Outcome.PASS, words
            few = f"of fewer than {count(least, 'call')} none may stay"
            return Outcome.INCONCLUSIVE, f"{words}; {few}"
        if shares[1].ratio < self.at_least.value:
            return Outcome.FAIL, words
        return Outcome.INCONCLUSIVE, f"{words}; when exactly it began decides"


def _share(arrivals: list[Arrival], window: Window, region: str) -> Count:
    """How many of the calls in a window went to a region, of those that surely fell into it."""
    inside = [
        one
        for one in arrivals
        if one.sent - one.error >= window.begin and one.sent + one.error < window.end
    ]
    return Count(sum(one.region == region for one in inside), len(inside))


def _arrivals(record: Record, service: str) -> Iterator[Arrival]:
    regions = _regions(record)
    for call in record.calls:
        if service not in ("", call.target):
            continue
        from_outside = not _region_of(call, regions, called=False)
        where = _region_of(call, regions, called=True)
        if from_outside and where and call.outcome != "rejected":
            yield Arrival(where, call.sent, call.error_ns)


def _region_of(call: Call, regions: Mapping[str, str], *, called: bool) -> str:
    copy = call.target_instance if called else call.source_instance
    service = call.target if called else call.source
    return regions.get(copy, "") or regions.get(service, "")


def _regions(record: Record) -> dict[str, str]:
    """The region of each copy that was seen, and of each service all of whose copies share one."""
    copies: dict[str, str] = {}
    services: dict[str, set[str]] = {}
    for event in record.of_kind("target.state"):
        found = event.data.get("instances")
        for each in found if isinstance(found, list) else []:
            if isinstance(each, dict):
                region = str(each.get("region", ""))
                copies[str(each.get("name", ""))] = region
                services.setdefault(str(each.get("service", "")), set()).add(region)
    alone = {name: min(found) for name, found in services.items() if len(found) == 1}
    return {**alone, **copies}
