"""The claim that a circuit breaker does what one is for, read off the calls themselves."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from itertools import groupby
from typing import Annotated

from pydantic import Field

from sloproof.contracts import (
    Check,
    Duration,
    Evidence,
    Finding,
    Number,
    Outcome,
    ServiceName,
    Source,
)
from sloproof.judge.breaker import Replay
from sloproof.judge.facts import SystemEvent, system_events
from sloproof.judge.quantile import rank
from sloproof.judge.wording import after_warm_up, at, count, seconds
from sloproof.record.schema import Call

FAST = 100_000_000
"""A rejection is fast if it takes no longer at the 99th percentile, in nanoseconds."""
TOGETHER = 250_000_000
"""So far may a breaker's own word and its calls lie apart, in nanoseconds."""


class CircuitBreaker(Check):
    """The breaker of `from` towards `to` opens at the threshold, fails fast, tries one, closes."""

    kind = "circuit_breaker"
    sources = (Source.CALLS, Source.SYSTEM_EVENTS)
    windowed = False

    source: Annotated[ServiceName, Field(alias="from")]
    to: ServiceName
    failure_threshold: Annotated[int, Field(ge=1)] = 5
    recovery_timeout: Duration = Duration(60_000_000_000)

    def label(self) -> str:
        """The link it guards."""
        return f"{self.source}-{self.to}"

    def judge(self, evidence: Evidence) -> Finding:
        """Each calling instance replayed; FAIL where one did otherwise than a breaker does."""
        run = evidence.windows["run"]
        calls = [
            call
            for call in evidence.record.calls
            if (call.source, call.target) == (self.source, self.to) and call.sent < run.end
        ]
        link = f"{self.source} → {self.to}"
        if not calls:
            return Finding(Outcome.INCONCLUSIVE, f"no call {link} was recorded")
        seen = tuple(
            self._replayed(instance, tuple(own), evidence)
            for instance, own in groupby(
                sorted(calls, key=lambda call: (call.source_instance, call.sent, call.finished)),
                key=lambda call: call.source_instance,
            )
        )
        outcome, reason = _decide(seen, link, self.failure_threshold)
        return Finding(outcome, reason, _numbers(seen))

    def _replayed(self, instance: str, calls: tuple[Call, ...], evidence: Evidence) -> Seen:
        replay = Replay(self.failure_threshold, self.recovery_timeout.ns)
        replay.run(calls)
        told = [
            event
            for event in system_events(evidence.record, "breaker")
            if event.instance in ("", instance) and self._about(event)
        ]
        return Seen(instance, calls, replay, tuple(_states(told)), evidence.windows["run"].begin)

    def _about(self, event: SystemEvent) -> bool:
        """An event that doesn't name its link is about every one of its instance."""
        other = event.detail.get("to", event.detail.get("target", self.to))
        return str(other) == self.to


@dataclass(frozen=True, slots=True)
class Seen:
    """What one calling instance did, and what its breaker said: times at which it opened.

    `zero` is the end of warm-up, from which people count.
    """

    instance: str
    calls: tuple[Call, ...]
    replay: Replay
    told: tuple[tuple[str, int], ...]
    zero: int

    @property
    def took(self) -> int | None:
        """How long rejections took at the 99th percentile."""
        took = sorted(call.finished - call.sent for call in self.replay.rejected)
        return took[rank(len(took), Fraction(99, 100)) - 1] if took else None

    def wrongs(self) -> list[str]:
        """Everything it did otherwise than a breaker does."""
        found = list(self.replay.wrongs)
        if self.took is not None and self.took > FAST:
            found.append(f"took {seconds(self.took)} to reject at the 99th percentile")
        return found + self._contradictions()

    def _contradictions(self) -> list[str]:
        """Where its own events and its calls differ; without any event nothing differs."""
        opened = [time for state, time in self.told if state == "open"]
        if not self.told:
            return []
        silent = [t for t in self.replay.openings if not _near(t, opened)]
        invented = [t for t in opened if not _near(t, self.replay.openings)]
        found = [f"opened {self._when(t)} by its calls, but did not say so" for t in silent]
        return found + [f"said it opened {self._when(t)}, but its calls differ" for t in invented]

    def _when(self, time: int) -> str:
        return after_warm_up(time - self.zero)

    @property
    def complete(self) -> bool:
        """Whether it was seen to open, to reject, to try again and to close."""
        replay = self.replay
        return bool(replay.openings and replay.rejected and replay.trials and replay.closings)


def _decide(seen: tuple[Seen, ...], link: str, threshold: int) -> tuple[Outcome, str]:
    wrong = [(each.instance or "the caller", each.wrongs()) for each in seen]
    wrong = [(instance, wrongs) for instance, wrongs in wrong if wrongs]
    if wrong:
        parts = [
            f"{name} {w[0]}" + (f" and {len(w) - 1} more" if w[1:] else "") for name, w in wrong
        ]
        return Outcome.FAIL, f"{link}: {'; '.join(parts)}"
    opened = [each for each in seen if each.replay.openings]
    if not opened:
        most = max(each.replay.most_failures for each in seen)
        reason = f"{link}: it never opened; the most failures in a row were {most} of {threshold}"
        return Outcome.INCONCLUSIVE, reason
    told = [each for each in opened if each.told]
    whole = [each for each in opened if each.complete]
    openings = sum(len(each.replay.openings) for each in seen)
    rejected = sum(len(each.replay.rejected) for each in seen)
    words = (
        f"{link}: opened {openings} times in {count(len(opened), 'instance')}, "
        f"rejected {count(rejected, 'call')}"
    )
    if not whole:
        return Outcome.INCONCLUSIVE, f"{words}; it was not seen to reject, try again and close"
    if not told:
        return Outcome.INCONCLUSIVE, f"{words}; no breaker event confirms it"
    return Outcome.PASS, f"{words}, tried again with one call at a time, and closed"


def _numbers(seen: tuple[Seen, ...]) -> tuple[Number, ...]:
    slowest = max((each.took for each in seen if each.took is not None), default=None)
    return (
        Number("openings", sum(len(each.replay.openings) for each in seen), "count"),
        Number("rejected", sum(len(each.replay.rejected) for each in seen), "count"),
        Number("trials", sum(each.replay.trials for each in seen), "count"),
        Number("rejection p99", None if slowest is None else at(slowest), "s"),
    )


def _states(events: list[SystemEvent]) -> list[tuple[str, int]]:
    """The states that a breaker's events name: `breaker=open`, or `state` in the detail."""
    found = []
    for event in events:
        word = str(event.detail.get("state", event.event.rpartition("=")[2])).lower()
        state = word.replace("-", "_").replace(" ", "_")
        if state in ("open", "closed", "half_open"):
            found.append((state, event.time))
    return found


def _near(time: int, others: list[int]) -> bool:
    return any(abs(time - other) <= TOGETHER for other in others)
