"""Who a run works with, as protocols: the engine knows no process, no network and no real clock.

`sloproof.run.start` hires the real ones, `sloproof.testing.world` simulated ones.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from sloproof.contracts import Effect, Platform, ProbeSpec
from sloproof.model.clock import Clock
from sloproof.model.figures import Live
from sloproof.model.target import Target
from sloproof.record.schema import Call
from sloproof.record.writer import RecordWriter
from sloproof.run.guarding import Guard
from sloproof.spec.objectives import RecoveryObjective, Slo

T = TypeVar("T")


class LoadDriver(Protocol):
    """The load generator as the engine drives it; times are absolute monotonic nanoseconds."""

    def prepare(self, target: Target) -> Sequence[Effect]:
        """Get ready to load this target; gives the effects that start the generator."""
        ...

    def state(self) -> str:
        """`starting`, `ready`, `running`, `done`; raises `LoadError` where it failed."""
        ...

    def begin(self, at: int) -> None:
        """Let arrivals begin."""
        ...

    def stop(self, at: int) -> None:
        """Let arrivals end; what is in flight may finish."""
        ...

    def live(self) -> Live:
        """What it sees now."""
        ...

    def bad_ratio(self, since: int, slo: Slo | None) -> float | None:
        """The share of bad requests intended since then, by an SLO or as errors; None if none."""
        ...

    def write(self, record: RecordWriter, origin: int) -> Mapping[str, Any]:
        """Write the requests; gives `planned`, `started`, `bound_ns` and what else is known."""
        ...

    def notices(self) -> Sequence[str]:
        """What people should know of how their users are run, in their words."""
        ...

    def discard(self) -> None:
        """Remove what it wrote for itself; the record has it all."""
        ...


class ProberDriver(Protocol):
    """The prober as the engine drives it."""

    def prepare(self, probes: Sequence[ProbeSpec], signals: Sequence[str]) -> Sequence[Effect]:
        """Get ready to take these probes' samples; gives the effects that start the prober."""
        ...

    def state(self) -> str:
        """`starting`, `ready`, `done`; raises `ProberError` where it failed."""
        ...

    def add(self, probe: ProbeSpec) -> None:
        """Sample one more."""
        ...

    def sampled(self, probe: str) -> bool:
        """Whether it has taken a sample of this probe."""
        ...

    def steady(self, objective: RecoveryObjective, now: int) -> bool:
        """Whether the objective's probe has been good for as long as the objective asks."""
        ...

    def stop(self) -> None:
        """Take no more samples."""
        ...

    def write(self, record: RecordWriter, origin: int) -> None:
        """Write probes and signals."""
        ...

    def discard(self) -> None:
        """Remove what it wrote for itself; the record has it all."""
        ...


class LedgerDriver(Protocol):
    """The ledger as the engine drives it; times are absolute monotonic nanoseconds."""

    def prepare(self, target: Target) -> Sequence[Effect]:
        """Get ready to write; gives the effects that start the ledger."""
        ...

    def state(self) -> str:
        """`starting`, `ready`, `writing`, `reading`, `done`; raises `LedgerError` if it failed."""
        ...

    def begin(self, at: int) -> Mapping[str, Any]:
        """Let the first write be due; gives what the event `ledger.started` holds."""
        ...

    def stop(self, at: int, *, read: bool) -> None:
        """Let writes end; then `read` every copy back. Only the first call counts."""
        ...

    def reading_takes(self) -> int:
        """How long the last writes and the reading of all copies may take, in nanoseconds."""
        ...

    def write(self, record: RecordWriter, origin: int) -> Mapping[str, Any]:
        """Write the writes and what the copies have; gives what `ledger.finished` holds.

        And under `copies` what each `ledger.copy` does, with its moment under `at`.
        """
        ...

    def discard(self) -> None:
        """Remove what it wrote for itself; the record has it all."""
        ...


class Told(Protocol):
    """An event of the system under test."""

    @property
    def role(self) -> str:
        """`detected`, `action`, `repaired`, `verified`, `breaker` or ""."""
        ...

    def data(self) -> dict[str, Any]:
        """What the record's event `system` holds."""
        ...


class Observer(Protocol):
    """What the system under test tells of itself: its events and its calls."""

    def prepare(self, target: Target, origin: int) -> None:
        """Learn where to read."""
        ...

    def events(self) -> Sequence[Told]:
        """The events that came since the last call."""
        ...

    def sources(self) -> Sequence[tuple[str, str, bool]]:
        """What it reads: `system-events` or `calls`, the source's name, whether it is there."""
        ...

    def calls(self) -> Sequence[Call] | None:
        """All calls of the run, times from its origin; None where no source is declared."""
        ...


@dataclass(frozen=True, slots=True)
class Crew:
    """Everybody a run works with. `complete` fills in what only the running target tells,
    `resolved` gives the text of experiment, target and objectives for the record.

    `aside` runs something slow while calling the second argument every few milliseconds, `claim`
    keeps other runs from what the running target turned out to be.
    """

    clock: Clock
    platform: Platform
    prober: ProberDriver
    load: LoadDriver | None
    observer: Observer
    guard: Guard
    complete: Callable[[Mapping[str, Any]], Target]
    resolved: Callable[[Target | None], str]
    aside: Callable[[Callable[[], Any], Callable[[], None]], Any]
    ledger: LedgerDriver | None = None
    claim: Callable[[Target], None] = lambda _: None
