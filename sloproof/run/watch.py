"""What the loop does every round: heartbeats, stop conditions, wishes to end, status, clock."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from types import FrameType

from sloproof.errors import HarnessError
from sloproof.model.clock import Clock, wall_minus_monotonic
from sloproof.model.figures import Live
from sloproof.run.control import Bulletin, Status
from sloproof.run.crew import LedgerDriver, LoadDriver, ProberDriver
from sloproof.run.guarding import Guard
from sloproof.run.progress import Progress
from sloproof.run.result import EndEarly
from sloproof.run.stopping import StopWatch

PAUSE = 10_000_000
STATUS = 500_000_000
CLOCK = 1_000_000_000
READ_BACK = "read-back"
SETTLING = frozenset({"prepare", "ready", "restore", "seal"})


class Signals:
    """SIGINT and SIGTERM while a run lasts: heeded once; a second one changes nothing."""

    def __init__(self) -> None:
        self.received = ""

    @contextlib.contextmanager
    def heeded(self) -> Iterator[Signals]:
        """Within it both signals are noted; afterwards the old handlers are back."""
        wanted = (signal.SIGINT, signal.SIGTERM)
        before = {number: signal.signal(number, self._note) for number in wanted}
        try:
            yield self
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.received = self.received or signal.Signals(number).name


@dataclass(slots=True, kw_only=True)
class Watch:
    """The round's duties. `due` is when the next fault must have ended, for the guardian."""

    clock: Clock
    guard: Guard
    load: LoadDriver | None
    prober: ProberDriver
    stops: StopWatch
    signals: Signals
    bulletin: Bulletin
    progress: Progress
    card: Status
    start_within: int
    anchor: int
    ledger: LedgerDriver | None = None
    pause: int = PAUSE
    due: int = 0
    phase: str = "prepare"
    until: int = 0
    over: bool = False
    _next_status: int = 0
    _next_clock: int = 0
    tell: Callable[..., None] = field(default=lambda *_, **__: None)
    """Set by the engine: writes an event into the record."""
    _lost: str = field(default="")

    def enter(self, phase: str, until: int) -> None:
        """A phase begins; `until` is when it ends by plan, or 0."""
        self.phase, self.until = phase, until
        self._next_status = 0

    def ending(self) -> None:
        """From now on nothing ends the run early: it is ending."""
        self.over = True
        self.due = 0

    def say(self, line: str) -> None:
        """Something that happened, for people."""
        self.progress.say(line)

    def tick(self, faults: tuple[str, ...]) -> None:
        """Signs of life, status and progress; a lost guardian is remembered."""
        now = self.clock.now()
        if not self._lost:
            try:
                self.guard.beat(self.due)
            except HarnessError as error:
                self._lost = str(error)
                self.tell("harness.error", where="guardian", error=self._lost)
        if now >= self._next_status:
            self._next_status = now + STATUS
            self._post(now, faults)
        if now >= self._next_clock:
            self._next_clock = now + CLOCK
            self.tell("clock", drift_ns=wall_minus_monotonic(self.clock) - self.anchor)

    def raise_if_over(self, now: int) -> None:
        """End the run early where a signal, a wish, a condition or a lost guardian asks for it.

        Raises `EndEarly`, or `HarnessError` where guardian, prober, load or ledger are lost.
        """
        if self.over:
            return
        if self._lost:
            raise HarnessError(self._lost)
        if self.signals.received:
            raise EndEarly("interrupted", self.signals.received)
        if self.bulletin.stop_wanted():
            raise EndEarly("interrupted", "sloproof stop")
        if self.phase in SETTLING:
            return
        if self.prober.state() == "done":
            raise HarnessError("the prober ended by itself")
        if self.load is not None and self.load.state() == "done":
            raise HarnessError("the load ended by itself")
        if self.ledger is not None and self.phase != READ_BACK and self.ledger.state() == "done":
            raise HarnessError("the ledger ended by itself")
        fired = self.stops.fired(now)
        if fired:
            raise EndEarly("stopped", fired)

    def dismiss(self) -> None:
        """Nothing is left to watch over."""
        self.guard.dismiss()
        self.bulletin.withdraw()

    def _post(self, now: int, faults: tuple[str, ...]) -> None:
        card = self.card
        figures = self._figures()
        left = max(0, self.until - now) / 1e9 if self.until else 0.0
        status = replace(
            card,
            phase=self.phase,
            remaining_s=round(left, 1),
            faults=faults,
            line="" if figures is None else str(figures),
            figures=figures,
        )
        self.bulletin.post(status)
        self.progress.show(status)

    def _figures(self) -> Live | None:
        return None if self.load is None or self.phase in SETTLING else self.load.live()
