"""Load and prober as real processes, driven through their folders."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sloproof.contracts import Effect, ProbeSpec
from sloproof.effects.process import Process
from sloproof.errors import LoadError, ProberError
from sloproof.model.figures import Live
from sloproof.model.secrets import NO_SECRETS, Secrets
from sloproof.model.target import Target
from sloproof.record.writer import RecordWriter
from sloproof.run.load.process import LoadProcess, LoadState
from sloproof.run.load.spec import LoadSpec
from sloproof.run.probing.process import Phase, ProberProcess
from sloproof.run.sight import bad_and_total
from sloproof.spec.objectives import RecoveryObjective, Slo

NOTICE = 200_000_000
"""How long before its end the generator is told of it; it looks for messages every 20 ms."""


class RealLoad:
    """Locust in its own process. `spec` makes the load's spec once the target is known."""

    def __init__(
        self, folder: Path, spec: Callable[[Target], LoadSpec], secrets: Secrets = NO_SECRETS
    ) -> None:
        self._folder = folder
        self._secrets = secrets
        self._spec = spec
        self._process: LoadProcess | None = None
        self._begun = 0
        self._stopped = 0

    def prepare(self, target: Target) -> Sequence[Effect]:
        """Write the spec; the process is one effect."""
        self._process = LoadProcess(self._folder, self._spec(target), self._secrets)
        log = str(self._folder.parent / "load.log")
        return (Process(argv=self._process.argv(), words="load", log=log, folder="."),)

    def state(self) -> str:
        """How far it is."""
        state = self._running().state()
        if state is LoadState.FAILED:
            raise LoadError(f"the load failed: {self._running().error}")
        return str(state)

    def begin(self, at: int) -> None:
        """Let arrivals begin."""
        self._begun = at
        self._running().begin(at)

    def stop(self, at: int) -> None:
        """Let arrivals end, at a moment that the generator still has before it.

        One that hears of its end after it has made an arrival more than was planned.
        """
        self._stopped = max(at, time.monotonic_ns() + NOTICE)
        self._running().stop(self._stopped)

    def live(self) -> Live:
        """The last seconds."""
        now = self._running().live()
        p99 = now.p99_ns / 1e9 if now.p99_ns is not None else None
        return Live(rate=now.rate, error_ratio=now.error_ratio, p99_s=p99)

    def bad_ratio(self, since: int, slo: Slo | None) -> float | None:
        """The share of bad requests since then."""
        recent = self._running().since(since)
        if slo is None:
            return recent.failed / len(recent) if len(recent) else None
        bad, total = bad_and_total(recent, slo)
        return bad / total if total else None

    def write(self, record: RecordWriter, origin: int) -> Mapping[str, Any]:
        """Write the requests, and what is known of how they were made.

        `planned` is reckoned from the schedule, not asked of the generator: a generator that lost
        half of its arrivals must not vouch for itself.
        """
        process = self._running()
        found = process.requests(origin)
        record.requests(found.batches(), found.kinds, found.errors)
        end = self._stopped or time.monotonic_ns()
        planned = process.spec.schedule.count(0, end - self._begun) if self._begun else 0
        return {
            "planned": planned,
            "started": found.facts.arrivals,
            "bound_ns": process.spec.lateness_ns,
            "exit": 0 if found.facts.finished_normally else "lost",
            "clock_error_ns": found.facts.clock_error_ns,
            "notices": process.notices,
        }

    def notices(self) -> Sequence[str]:
        """What the generator said of the users' code."""
        return self._process.notices if self._process else ()

    def discard(self) -> None:
        """Remove spec, messages and raw rows."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _running(self) -> LoadProcess:
        if self._process is None:
            raise LoadError("the load was not prepared")
        return self._process


class RealProber:
    """The prober in its own process."""

    def __init__(self, folder: Path, project: Path, secrets: Secrets = NO_SECRETS) -> None:
        self._process = ProberProcess(folder, project, secrets)
        self._signals: dict[str, Mapping[str, str]] = {}

    def prepare(self, probes: Sequence[ProbeSpec], signals: Sequence[str]) -> Sequence[Effect]:
        """Write the spec; the process is one effect."""
        by_name = {probe.name: probe for probe in probes}
        self._signals = {name: _labels(by_name[name]) for name in signals}
        self._process.write_spec(probes)
        log = str(self._process.folder.parent / "prober.log")
        return (Process(argv=tuple(self._process.argv()), words="prober", log=log, folder="."),)

    def state(self) -> str:
        """How far it is.

        Samples are read along the way. Read only when somebody asks, those of some minutes would
        keep the engine from giving signs of life for longer than its guardian waits.
        """
        self._process.tail.poll()
        state = self._process.state()
        if state.phase is Phase.FAILED:
            raise ProberError(f"the prober failed: {state.error}")
        return str(state.phase)

    def add(self, probe: ProbeSpec) -> None:
        """Sample one more."""
        self._process.add(probe)

    def sampled(self, probe: str) -> bool:
        """Whether a sample of it has been seen."""
        return bool(self._process.tail.recent(probe))

    def steady(self, objective: RecoveryObjective, now: int) -> bool:
        """Whether the probe was good for `stable_for` up to now, with the ratio it asks for."""
        since = now - objective.stable_for.ns
        recent = self._process.tail.recent(objective.probe, since)
        good = sum(taken.ok for taken in recent)
        enough = len(recent) >= objective.successes
        return enough and good >= len(recent) * objective.good_ratio.value

    def stop(self) -> None:
        """Take no more samples."""
        self._process.stop()

    def write(self, record: RecordWriter, origin: int) -> None:
        """Write probes and signals."""
        columns = self._process.samples(origin, leaving_out=self._signals)
        if len(columns["probe"]):
            record.table("probes", columns)
        if self._signals:
            record.table("signals", self._process.signals(origin, self._signals))

    def discard(self) -> None:
        """Remove spec, messages and raw samples."""
        self._process.close()
        shutil.rmtree(self._process.folder, ignore_errors=True)


def _labels(probe: ProbeSpec) -> Mapping[str, str]:
    labels = probe.params.get("labels", {})
    return {str(k): str(v) for k, v in labels.items()} if isinstance(labels, Mapping) else {}
