"""A circuit breaker replayed: what it should have done with each call, and where it did not.

CLOSED counts consecutive failures and opens at the threshold; OPEN rejects until the time-out has
passed; HALF_OPEN lets one trial through, whose end decides. M. Nygard: Release It!, 2nd edition
(2018), chapter 5. Calls that were let through before a change of state say nothing after it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from sloproof.judge.wording import seconds
from sloproof.record.schema import Call

SLACK = 25_000_000
"""How far the caller's clock readings beside a call may lie from its breaker's, in nanoseconds."""
PATIENCE = 100_000_000
"""So long after the time-out a breaker may still reject, in nanoseconds."""


def failed(call: Call) -> bool:
    """Whether a call counts against the service; the caller's own mistakes (4xx) don't."""
    return call.outcome not in ("ok", "rejected") and not 400 <= call.status < 500


@dataclass(slots=True)
class Replay:
    """The breaker of one calling instance, driven by its recorded calls."""

    threshold: int
    timeout: int
    state: str = "closed"
    failures: int = 0
    most_failures: int = 0
    since: int = 0
    period: int = 0
    trial: Call | None = None
    openings: list[int] = field(default_factory=list)
    closings: list[int] = field(default_factory=list)
    trials: int = 0
    rejected: list[Call] = field(default_factory=list)
    wrongs: list[str] = field(default_factory=list)
    _early: Call | None = None

    def run(self, calls: Iterable[Call]) -> None:
        """Replay all calls of the instance."""
        moments = []
        for call in calls:
            moments.append((call.sent, 1, call))
            if call.outcome != "rejected":
                moments.append((call.finished, 0, call))
        moments.sort(key=lambda moment: moment[:2])
        periods: dict[int, int] = {}
        for time, starts, call in moments:
            if not starts:
                self._finish(call, time, periods[id(call)])
            elif call.outcome == "rejected":
                self._reject(call)
            else:
                self._let_through(call)
                periods[id(call)] = self.period
        self._settle_early(None)

    def _let_through(self, call: Call) -> None:
        self._settle_early(call.sent)
        slack = SLACK + call.error_ns
        if self.state == "open":
            if call.sent >= self.since + self.timeout - slack:
                self._become("half_open", call.sent)
            elif call.sent > self.since + slack:
                after = seconds(call.sent - self.since)
                self.wrongs.append(f"let a call through {after} after it should have opened")
                return
            else:
                return
        if self.state == "half_open":
            if self.trial is None:
                self.trial = call
                self.trials += 1
            elif call.sent > self.trial.sent and self.trial.finished - call.sent > slack:
                self.wrongs.append("let a second call through while its trial was under way")

    def _reject(self, call: Call) -> None:
        self.rejected.append(call)
        if self.state == "closed":
            late = call.sent - self.since <= SLACK + call.error_ns and self.closings
            if self._early is None and not late:
                self._early = call
        elif self.state == "open":
            over = call.sent - (self.since + self.timeout)
            if over > PATIENCE + call.error_ns:
                self.wrongs.append(
                    f"still rejected {seconds(over)} after its recovery time-out, without a trial"
                )

    def _finish(self, call: Call, time: int, period: int) -> None:
        if call is self.trial:
            self._become("open" if failed(call) else "closed", time)
            return
        if period != self.period or self.state != "closed":
            return
        self.failures = self.failures + 1 if failed(call) else 0
        self.most_failures = max(self.most_failures, self.failures)
        if self.failures >= self.threshold:
            if self._early is not None and time - self._early.sent <= SLACK + call.error_ns:
                self._early = None
            self._settle_early(None)
            self._become("open", time)

    def _become(self, state: str, time: int) -> None:
        self.state, self.since, self.failures, self.trial = state, time, 0, None
        self.period += 1
        if state == "open":
            self.openings.append(time)
        elif state == "closed":
            self.closings.append(time)

    def _settle_early(self, now: int | None) -> None:
        """A rejection while closed is wrong unless the opening follows within the slack."""
        early = self._early
        if early is None or (now is not None and now - early.sent <= SLACK + early.error_ns):
            return
        self.wrongs.append(
            f"rejected a call after {self.failures} failures in a row (threshold {self.threshold})"
        )
        self._early = None
