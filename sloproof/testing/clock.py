"""A clock that moves only when somebody sleeps, and takes a world along."""

from __future__ import annotations

from collections.abc import Callable

START = 1_000_000_000_000
EPOCH = 1_700_000_000_000_000_000


class SimClock:
    """Starts at a fixed moment; `sleep` moves it at once and tells those who listen.

    `jump` moves the wall clock alone, as an operator or a bad time server would.
    """

    def __init__(self) -> None:
        self._now = START
        self._offset = EPOCH - START
        self._listeners: list[Callable[[int, int], None]] = []

    def now(self) -> int:
        """Simulated monotonic nanoseconds."""
        return self._now

    def wall(self) -> int:
        """Simulated nanoseconds since the epoch."""
        return self._now + self._offset

    def sleep(self, ns: int) -> None:
        """Let `ns` nanoseconds pass."""
        before, self._now = self._now, self._now + max(ns, 0)
        for listener in self._listeners:
            listener(before, self._now)

    def jump(self, ns: int) -> None:
        """Let the wall clock jump by `ns` nanoseconds."""
        self._offset += ns

    def on_advance(self, listener: Callable[[int, int], None]) -> None:
        """Call `listener(before, after)` whenever time has passed."""
        self._listeners.append(listener)
