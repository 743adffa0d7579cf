"""How often a copy may be restarted, and how long to wait in between."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable

from digital_human.settings import HealerSettings


class RestartBudget:
    """At most `max_restarts` in a sliding window; each within it waits twice as long as the last.

    `clock` is monotonic, in seconds.
    """

    def __init__(
        self, settings: HealerSettings, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._spent: defaultdict[str, list[float]] = defaultdict(list)

    def spend(self, instance: str) -> float | None:
        """Seconds to wait before the next restart, or `None` if there may be no more."""
        now = self._clock()
        since = now - self._settings.restart_window
        spent = self._spent[instance] = [when for when in self._spent[instance] if when > since]
        if len(spent) >= self._settings.max_restarts:
            return None
        spent.append(now)
        if len(spent) == 1:
            return 0.0
        doubled = self._settings.backoff * 2.0 ** (len(spent) - 2)
        return min(doubled, self._settings.max_backoff)
