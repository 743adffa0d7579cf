"""The engine: phases from prepare to seal, one thread, one loop that never sleeps for long.

prepare → ready → warm-up → baseline → faults → recovery → restore → seal. Whatever ends a run
early (a stop condition, a signal, a failure) goes on at restore.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from dataclasses import asdict

from sloproof.contracts import Effect, ProbeSpec, Witness
from sloproof.errors import PlatformError, SloproofError
from sloproof.model.target import Target
from sloproof.record.writer import RecordWriter
from sloproof.run.closing import collect, drain
from sloproof.run.crew import Crew
from sloproof.run.injector import Injector
from sloproof.run.journal import Journal
from sloproof.run.result import EndEarly, RunResult
from sloproof.run.reversal import Reverted
from sloproof.run.target_start import TargetStart
from sloproof.run.timeline import Occurrence, Timeline
from sloproof.run.watch import Watch
from sloproof.spec.experiment import Experiment
from sloproof.spec.objectives import Objectives, RecoveryObjective

SECOND = 1_000_000_000
HELPERS = 120 * SECOND
LEAD = SECOND // 5
GRACE = 10 * SECOND


class Engine:
    """One run of one experiment. Everything it works with is passed in."""

    def __init__(  # noqa: PLR0913 - made in one place, from parts that have nothing in common
        self,
        experiment: Experiment,
        objectives: Objectives,
        crew: Crew,
        *,
        run: str,
        seed: int,
        record: RecordWriter,
        journal: Journal,
        watch: Watch,
        origin: int,
    ) -> None:
        self._experiment = experiment
        self._objectives = objectives
        self._crew = crew
        self._run = run
        self._record = record
        self._journal = journal
        self._watch = watch
        self._origin = origin
        self._zero = 0
        self._injector = Injector(crew, run, seed, journal, self._tell)
        self._timeline = Timeline.of(experiment.faults)
        self._loading = False
        self._start = TargetStart(crew)

    def run(self) -> RunResult:
        """The whole run; never raises for what happens in it."""
        how, reason = "completed", ""
        try:
            self._ready()
            self._warm_up()
            self._baseline()
            self._faults()
            self._recovery()
        except EndEarly as early:
            how, reason = early.how, early.reason
            kind = {"stopped": "stop", "interrupted": "interrupted"}[how]
            self._tell(kind, condition=reason, signal=reason)
        except Exception as error:  # noqa: BLE001 - the engine's edge: whatever it is, wind up
            how, reason = "failed", str(error) or type(error).__name__
            trace = "" if isinstance(error, SloproofError) else traceback.format_exc()
            self._tell("harness.error", where=self._watch.phase, error=reason, trace=trace)
        return self._wind_up(how, reason)

    # -- phases

    def _ready(self) -> None:
        """Start what has to run, and wait until it does."""
        self._phase("ready")
        self._start_target()
        crew = self._crew
        witnesses = self._injector.witnesses(self._experiment.faults)
        target = self._start.target
        self._found(crew.prober.prepare(*_probes(target, witnesses)))
        if crew.load is not None:
            self._found(crew.load.prepare(target))
        crew.observer.prepare(target, self._origin)
        self._until(self._helpers_ready, HELPERS, "prober and load did not get ready")
        self._say_state("before")

    def _start_target(self) -> None:
        if self._start.there():
            return
        effects = self._crew.platform.start()
        if not effects:
            reason = self._start.why_not()
            raise PlatformError(f"the target is not there and not ours to start: {reason}")
        self._found(effects)
        self._watch.say("starting the target")
        patience = self._watch.start_within
        try:
            self._until(self._start.there, patience, "the target did not get ready")
        except PlatformError as error:
            raise PlatformError(f"{error}: {self._start.why_not()}") from None

    def _helpers_ready(self) -> bool:
        load = self._crew.load
        ready = self._crew.prober.state() == "ready"
        return ready and (load is None or load.state() == "ready")

    def _warm_up(self) -> None:
        now = self._crew.clock.now()
        load, plan = self._crew.load, self._experiment.load
        if load is None or plan is None:
            self._zero = now
            return
        begin = now + LEAD
        self._zero = begin + plan.warmup.ns
        load.begin(begin)
        self._loading = True
        self._tell("load.started", at=begin - self._origin)
        self._phase("warmup", until=self._zero)
        self._wait_until(self._zero)

    def _baseline(self) -> None:
        end = self._zero + self._experiment.baseline.ns
        self._phase("baseline", until=end, at=self._zero)
        self._wait_until(end)

    def _faults(self) -> None:
        begin = self._zero + self._experiment.baseline.ns
        expected = self._zero + self._timeline.expected_end()
        self._phase("faults", until=expected, at=begin)
        while not self._timeline.finished:
            self._tick()
        self._watch.due = 0

    def _recovery(self) -> None:
        begin = self._crew.clock.now()
        limits = self._experiment.recovery
        self._phase("recovery", until=begin + limits.at_least.ns)
        self._wait_until(begin + limits.at_least.ns)
        while self._crew.clock.now() < begin + limits.at_most.ns and not self._recovered():
            self._watch.until = begin + limits.at_most.ns
            self._tick()

    def _recovered(self) -> bool:
        now = self._crew.clock.now()
        objectives = [
            one for one in self._objectives.values() if isinstance(one, RecoveryObjective)
        ]
        healed = self._injector.watch_healing(now)
        return healed and all(self._crew.prober.steady(one, now) for one in objectives)

    # -- the end

    def _wind_up(self, how: str, reason: str) -> RunResult:
        """Restore, collect, stop what was started, seal. Goes to its end whatever fails."""
        self._watch.ending()
        self._phase("restore")
        self._injector.restore(self._tick_only, foundations=False)
        tables = self._measured()
        failed = self._restore_all()
        unreverted = tuple(_instructions(one) for one in failed)
        if failed:
            self._journal.release()
        else:
            self._journal.close()
        self._watch.dismiss()
        self._phase("seal")
        if tables:
            how, reason = "failed", reason or tables
        self._tell("run.finished", how=how, reason=reason)
        self._record.seal()
        return RunResult(self._run, self._record.folder, how, reason, unreverted)

    def _measured(self) -> str:
        """Let load and prober end and write down what was seen; gives what went wrong, or ""."""
        self._record.text("experiment.yaml", self._crew.resolved(self._start.known))
        if self._start.known is None:
            return ""
        self._say_state("after")
        drain(self._crew, loading=self._loading, until=self._until, tell=self._tell)
        return collect(
            self._crew, self._record, self._origin, tell=self._tell, meanwhile=self._tick_only
        )

    def _restore_all(self) -> list[Reverted]:
        """Take back what is left, then what was started; gives what could not be.

        What would not go while the target stood may be gone with it, so it is tried once more.
        """
        failed = self._injector.restore(self._tick_only, foundations=True)
        return failed + self._injector.restore(self._tick_only, foundations=False)

    # -- the loop

    def _tick(self) -> None:
        """One round: signs of life, what the target says, what is due; may end the run early."""
        now = self._crew.clock.now()
        self._watch.tick(self._live_faults())
        self._listen()
        self._act(now)
        self._watch.raise_if_over(now)
        self._crew.clock.sleep(self._watch.pause)

    def _tick_only(self) -> None:
        """Signs of life while something else is under way; never ends anything."""
        self._watch.tick(self._live_faults())
        self._crew.clock.sleep(self._watch.pause)

    def _act(self, now: int) -> None:
        if not self._zero:
            return
        for act in self._timeline.acts(now - self._zero):
            {"inject": self._inject, "end": self._end, "miss": self._miss}[act.do](act.occurrence)
        self._injector.hold(now, self._tick_only)
        self._injector.watch_healing(now)
        ends = [one.ends for one in self._timeline.in_force if one.ends is not None]
        self._watch.due = self._zero + min(ends) + GRACE if ends else 0

    def _inject(self, occurrence: Occurrence) -> None:
        self._watch.due = 0
        self._injector.inject(occurrence, self._crew.clock.now(), self._tick_only)
        self._timeline.injected(occurrence, self._crew.clock.now() - self._zero)
        self._watch.say(f"injected {occurrence.plan.name}")
        if not occurrence.plan.fault.lasts():
            self._injector.settle(occurrence)

    def _end(self, occurrence: Occurrence) -> None:
        self._watch.due = 0
        self._injector.end(occurrence, self._tick_only)
        self._timeline.ended(occurrence, self._crew.clock.now() - self._zero)
        self._watch.say(f"reverted {occurrence.plan.name}")

    def _miss(self, occurrence: Occurrence) -> None:
        self._timeline.missed(occurrence)
        self._tell("fault.missed", fault=occurrence.plan.name, occurrence=occurrence.index)

    def _listen(self) -> None:
        """What the target tells of itself goes into the record; detection may release a fault."""
        if self._start.known is None:
            return
        for event in self._crew.observer.events():
            self._tell("system", **event.data())
            if event.role == "detected":
                for fault in self._timeline.undetected():
                    self._timeline.detected(fault, self._crew.clock.now() - self._zero)

    # -- small things

    def _live_faults(self) -> tuple[str, ...]:
        return tuple(one.plan.name for one in self._timeline.in_force)

    def _phase(self, name: str, *, until: int = 0, at: int | None = None) -> None:
        self._watch.enter(name, until)
        moment = self._crew.clock.now() if at is None else at
        self._record.event(moment - self._origin, "phase", phase=name)

    def _say_state(self, when: str) -> None:
        copies = [asdict(copy) for copy in self._crew.platform.instances()]
        self._tell("target.state", when=when, instances=copies)

    def _found(self, effects: Sequence[Effect]) -> None:
        for effect in effects:
            self._injector.found(effect, self._tick_only)

    def _until(self, condition: Callable[[], bool], patience: int, otherwise: str) -> None:
        deadline = self._crew.clock.now() + patience
        while not condition():
            if self._crew.clock.now() > deadline:
                raise PlatformError(f"{otherwise} within {patience // SECOND} s")
            self._tick_only() if self._watch.over else self._tick()

    def _wait_until(self, moment: int) -> None:
        while self._crew.clock.now() < moment:
            self._tick()

    def _tell(self, kind: str, **data: object) -> None:
        try:
            self._record.event(self._crew.clock.now() - self._origin, kind, **data)
        except OSError:
            if not self._watch.over:
                raise  # a record that can't be written ends the run, but never its winding up


def _probes(target: Target, witnesses: Sequence[Witness]) -> tuple[list[ProbeSpec], list[str]]:
    """The target's probes and signals and the witnesses', each name once; the signals' names."""
    own = [
        ProbeSpec(one.name, one.kind, dict(one.params), one.every, one.timeout)
        for one in (*target.probes, *target.signals)
    ]
    seen = [probe for witness in witnesses for probe in witness.probes]
    by_name = {probe.name: probe for probe in (*seen, *own)}
    return list(by_name.values()), [signal.name for signal in target.signals]


def _instructions(failed: Reverted) -> str:
    return f"{failed.effect}: {failed.error} → {failed.remedy}"
