"""Load, prober, observer and guard of the simulated world; they do as the real ones, in no time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Any

from sloproof.contracts import Effect, Instance, ProbeSpec
from sloproof.model.figures import Live
from sloproof.record.schema import NEVER, Call, RequestKind, RequestOutcome
from sloproof.record.writer import REQUEST_COLUMNS, RecordWriter
from sloproof.testing.clock import SimClock
from sloproof.testing.world import Memory

SERVICE_TIME = 5_000_000
KIND = RequestKind("sim", "/turn", "POST", "/turn")


@dataclass(slots=True)
class SimServer:
    """How the world answers: the copies take turns; a dead or cut one refuses, a stopped hangs."""

    platform: Memory
    service: str
    _turn: int = 0

    def answer(self) -> tuple[RequestOutcome, int]:
        """The outcome of a request sent now, and how long it takes (NEVER: no answer)."""
        changes = self.platform.world.changes()
        delay = 0.0
        for link in self.platform.links():
            state = changes.get(link.name, {})
            if state.get("cut"):
                return RequestOutcome.ERROR, 1_000_000
            delay += state.get("delay", 0.0)
        copies: list[Instance] = [
            copy for copy in self.platform.instances() if copy.service == self.service
        ]
        if not copies:
            return RequestOutcome.ERROR, 1_000_000
        self._turn += 1
        copy = copies[self._turn % len(copies)]
        if changes.get(copy.name, {}).get("stopped"):
            return RequestOutcome.TIMEOUT, NEVER
        return RequestOutcome.OK, SERVICE_TIME + int(delay * 1e9)


class SimLoad:
    """Arrivals at a constant rate, answered by the server as time passes."""

    def __init__(self, clock: SimClock, server: SimServer, rate: int, bound_ns: int) -> None:
        self._clock = clock
        self._server = server
        self._gap = 1_000_000_000 // rate
        self._bound = bound_ns
        self._next: int | None = None
        self._end = NEVER
        self._rows: list[tuple[int, int, int]] = []
        clock.on_advance(self._advance)

    def prepare(self, target: Any) -> Sequence[Effect]:
        """There is no process to start."""
        return ()

    def state(self) -> str:
        """Ready at once; done when it was told to stop."""
        return "ready" if self._next is None else "running" if self._end == NEVER else "done"

    def begin(self, at: int) -> None:
        """Let arrivals begin."""
        self._next = at

    def stop(self, at: int) -> None:
        """Let arrivals end."""
        self._end = at

    def live(self) -> Live:
        """The last second."""
        ratio = self.bad_ratio(self._clock.now() - 1_000_000_000, None)
        return Live(rate=1e9 / self._gap, error_ratio=ratio, p99_s=None)

    def bad_ratio(self, since: int, slo: Any) -> float | None:
        """The share of errors."""
        recent = list(takewhile(lambda row: row[0] >= since, reversed(self._rows)))
        bad = sum(row[2] != RequestOutcome.OK for row in recent)
        return bad / len(recent) if recent else None

    def write(self, record: RecordWriter, origin: int) -> Mapping[str, Any]:
        """Write the requests."""
        import numpy as np

        rows = self._rows
        columns: dict[str, list[int]] = {name: [0] * len(rows) for name in REQUEST_COLUMNS}
        columns["intended"] = columns["sent"] = [row[0] - origin for row in rows]
        columns["finished"] = [row[1] - origin if row[1] != NEVER else NEVER for row in rows]
        columns["arrival"] = list(range(len(rows)))
        columns["outcome"] = [row[2] for row in rows]
        columns["status"] = [200 if row[2] == RequestOutcome.OK else 0 for row in rows]
        arrays = {name: np.array(columns[name], kind) for name, kind in REQUEST_COLUMNS.items()}
        record.requests([arrays], [KIND], [""])
        count = len(rows)
        return {"planned": count, "started": count, "bound_ns": self._bound, "exit": 0}

    def notices(self) -> Sequence[str]:
        """It runs nobody's code."""
        return ()

    def discard(self) -> None:
        """It wrote nothing for itself."""

    def _advance(self, before: int, after: int) -> None:
        while self._next is not None and self._next <= min(after, self._end):
            outcome, takes = self._server.answer()
            finished = NEVER if takes == NEVER else self._next + takes
            self._rows.append((self._next, finished, int(outcome)))
            self._next += self._gap


class SimProber:
    """Samples the world's properties, and the server as a user would."""

    def __init__(self, clock: SimClock, server: SimServer) -> None:
        self._clock = clock
        self._server = server
        self._probes: dict[str, ProbeSpec] = {}
        self._next: dict[str, int] = {}
        self._samples: dict[str, list[tuple[int, int, bool, float, str]]] = defaultdict(list)
        self._stopped = False
        clock.on_advance(self._advance)

    def prepare(self, probes: Sequence[ProbeSpec], signals: Sequence[str]) -> Sequence[Effect]:
        """There is no process to start."""
        for probe in probes:
            self.add(probe)
        return ()

    def state(self) -> str:
        """Ready at once."""
        return "done" if self._stopped else "ready"

    def add(self, probe: ProbeSpec) -> None:
        """Sample one more."""
        self._probes[probe.name] = probe
        self._next.setdefault(probe.name, self._clock.now())

    def sampled(self, probe: str) -> bool:
        """Whether it has a sample."""
        return bool(self._samples[probe])

    def steady(self, objective: Any, now: int) -> bool:
        """Whether the probe was good all the time that the objective asks for."""
        since = now - objective.stable_for.ns
        recent = [one for one in self._samples[objective.probe] if one[0] >= since]
        return len(recent) >= objective.successes and all(one[2] for one in recent)

    def stop(self) -> None:
        """Take no more."""
        self._stopped = True

    def write(self, record: RecordWriter, origin: int) -> None:
        """Write the samples."""
        rows = [(name, *one) for name, samples in self._samples.items() for one in samples]
        if rows:
            names, intended, finished, ok, value, detail = zip(*rows, strict=True)
            begins = [t - origin for t in intended]
            ends = [t - origin for t in finished]
            columns = {"probe": names, "intended": begins, "sent": begins, "finished": ends}
            record.table("probes", {**columns, "ok": ok, "value": value, "detail": detail})

    def discard(self) -> None:
        """It wrote nothing for itself."""

    def _advance(self, before: int, after: int) -> None:
        for name, probe in self._probes.items():
            while not self._stopped and self._next[name] <= after:
                at = self._next[name]
                self._samples[name].append((at, *self._sample(probe, at)))
                self._next[name] = at + probe.every.ns

    def _sample(self, probe: ProbeSpec, at: int) -> tuple[int, bool, float, str]:
        if probe.kind != "world":
            outcome, takes = self._server.answer()
            took = probe.timeout.ns if takes == NEVER else takes
            ok = outcome is RequestOutcome.OK and took <= probe.timeout.ns
            return at + took, ok, took / 1e9, "" if ok else outcome.name.lower()
        what = str(probe.params["what"])
        world, subject = self._server.platform.world, str(probe.params["subject"])
        value = world.value(subject, what)
        if what == "dead":
            value = value or world.life(subject) != probe.params["life"]
        if what == "delay":
            return at + 1000, True, 0.001 + float(value or 0.0), ""
        words = {"dead": "gone", "stopped": "stopped", "cut": "refused"}
        return at + 1000, not value, 0.0, words[what] if value else ""


@dataclass(slots=True)
class SimEvent:
    """Something the world's healer says."""

    role: str
    body: dict[str, Any]

    def data(self) -> dict[str, Any]:
        """What the record holds of it."""
        return self.body


@dataclass(slots=True)
class SimHealer:
    """Revives a copy `after` nanoseconds of death, and says so; it is the observer as well.

    With `only` it looks after that one copy.
    """

    clock: SimClock
    platform: Memory
    after: int | None
    origin: int
    only: str = ""
    _dead_since: dict[str, int] = field(default_factory=dict)
    _said: list[SimEvent] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.clock.on_advance(self._advance)

    def prepare(self, target: Any, origin: int) -> None:
        """It knows where to look."""

    def events(self) -> Sequence[SimEvent]:
        """What it has done since the last call."""
        said, self._said = self._said, []
        return said

    def sources(self) -> Sequence[tuple[str, str, bool]]:
        """Its own words."""
        return [("system-events", "healer", True)]

    def calls(self) -> Sequence[Call] | None:
        """It sees none."""
        return None

    def _advance(self, before: int, after: int) -> None:
        changes = self.platform.world.changes()
        dead = {name for name, state in changes.items() if state.get("dead")}
        dead = {name for name in dead if self.only in ("", name)}
        for name in sorted(dead):
            since = self._dead_since.setdefault(name, after)
            if self.after is not None and after - since >= self.after:
                self._say("detected", name, since)
                self.platform.world.revive(name)
                self._say("repaired", name, after)
                self._say("verified", name, after)
        self._dead_since = {n: t for n, t in self._dead_since.items() if n in dead}

    def _say(self, role: str, copy: str, at: int) -> None:
        body: dict[str, Any] = {"source": "healer", "instance": copy, "event": role, "role": role}
        body |= {"time": at - self.origin, "error_ns": 0, "detail": {}}
        self._said.append(SimEvent(role, body))


class SimGuard:
    """Nobody can die in a simulation: it only remembers that it was asked."""

    def __init__(self) -> None:
        self.beats = 0
        self.dismissed = False

    def start(self, journal: Any, record: Any, keep: Sequence[int]) -> None:
        """Begin to watch."""

    @property
    def incarnation(self) -> None:
        """It is no process."""

    def beat(self, due: int) -> None:
        """Count."""
        self.beats += 1

    def dismiss(self) -> None:
        """Remember it."""
        self.dismissed = True
