"""Stop conditions: held for their time, they end the faults at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from sloproof.run.crew import LoadDriver
from sloproof.spec.experiment import StopCondition
from sloproof.spec.objectives import Objectives, RatioIndicator, Slo

WINDOW = 1_000_000_000
PERIOD = 200_000_000


@dataclass(slots=True)
class StopWatch:
    """Watches all conditions; each is looked at five times a second over the last second."""

    conditions: Sequence[StopCondition]
    objectives: Objectives
    load: LoadDriver | None
    _since: dict[int, int] = field(default_factory=dict)
    _next: int = 0

    def fired(self, now: int) -> str:
        """The first condition that has held for its time, in words; "" while none has."""
        if self.load is None or now < self._next:
            return ""
        self._next = now + PERIOD
        for index, condition in enumerate(self.conditions):
            words = self._met(condition, now, self.load)
            if not words:
                self._since.pop(index, None)
            elif now - self._since.setdefault(index, now) >= condition.for_.ns:
                return f"{words} for {condition.for_}"
        return ""

    def _met(self, condition: StopCondition, now: int, load: LoadDriver) -> str:
        if condition.error_rate is not None:
            ratio = load.bad_ratio(now - WINDOW, None)
            limit = condition.error_rate.above
            if ratio is not None and ratio > limit.value:
                return f"error rate {ratio:.1%} above {limit}"
            return ""
        slo = self.objectives.get(condition.slo or "")
        if not isinstance(slo, Slo) or not isinstance(slo.indicator, RatioIndicator):
            return ""
        ratio = load.bad_ratio(now - WINDOW, slo)
        targets = [one.target.value for one in slo.objectives if one.target is not None]
        if ratio is not None and targets and 1 - ratio < max(targets):
            return f"{slo.name} at {1 - ratio:.1%}, below its objective"
        return ""
