"""The engine: phases from prepare to seal, one thread, one loop that never sleeps for long.

prepare → ready → warm-up → baseline → faults → recovery → read-back (with a ledger) → restore →
seal. Whatever ends a run early (a stop condition, a signal, a failure) goes on at restore.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from dataclasses import asdict

from sloproof.contracts import Effect
from sloproof.errors import HarnessError, Lacking, PlatformError, SloproofError, said
from sloproof.record.writer import RecordWriter
from sloproof.run.closing import attempt, collect, discard, drain, outcome, restore_all
from sloproof.run.crew import Crew
from sloproof.run.holding import Entries
from sloproof.run.injector import Injector
from sloproof.run.planner import measured_stores, probes_of
from sloproof.run.result import EndEarly, RunResult
from sloproof.run.target_start import TargetStart
from sloproof.run.telling import Teller
from sloproof.run.timeline import Occurrence, Timeline
from sloproof.run.watch import READ_BACK, Watch
from sloproof.spec.experiment import Experiment
from sloproof.spec.objectives import Objectives, RecoveryObjective

SECOND = 1_000_000_000
HELPERS = 120 * SECOND
LEAD = SECOND // 5
GRACE = 10 * SECOND
INJECTING = 60 * SECOND
"""So long an injection may take before the guardian ends it; its witnesses get 5 s of that."""


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
        journal: Entries,
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
        self._tell = Teller(record, crew.clock, origin)
        watch.tell = self._tell
        self._injector = Injector(crew, run, seed, journal, self._tell)
        self._timeline = Timeline.of(experiment.faults)
        self._watching = False
        self._loading = False
        self._lacking = False
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
            self._read_back()
        except EndEarly as early:
            self._tell.forgive()
            how, reason = early.how, early.reason
            kind = {"stopped": "stop", "interrupted": "interrupted"}[how]
            self._tell(kind, condition=reason, signal=reason)
        except BaseException as error:  # noqa: BLE001 - the engine's edge: whatever it is, wind up
            self._tell.forgive()
            how, reason = "failed", said(error)
            # Later it isn't the host's lack: what was there when all was ready has gone.
            self._lacking = isinstance(error, Lacking) and self._watch.phase == "ready"
            trace = "" if isinstance(error, SloproofError) else traceback.format_exc()
            self._tell("harness.error", where=self._watch.phase, error=reason, trace=trace)
        return self._wind_up(how, reason)

    # -- phases

    def _ready(self) -> None:
        """Start what has to run, and wait until it does."""
        self._phase("ready")
        self._start_target()
        crew = self._crew
        planner = self._injector.planner
        witnesses = planner.witnesses(self._experiment.faults, self._tick_only)
        target = self._start.target
        self._watching = True
        standing = crew.platform.standing_probes(measured_stores(self._experiment))
        self._found(crew.prober.prepare(*probes_of(target, witnesses, standing)))
        if crew.load is not None:
            self._found(crew.load.prepare(target))
        if crew.ledger is not None:
            self._found(crew.ledger.prepare(target))
        crew.observer.prepare(target, self._origin)
        self._until(self._helpers_ready, HELPERS, "prober, load and ledger did not get ready")
        for notice in crew.load.notices() if crew.load else ():
            self._watch.say(notice)
        self._say_state("before")

    def _start_target(self) -> None:
        if self._there():
            if self._start.target.start is not None:
                self._watch.say("the target runs already: this run uses it as it is, and leaves it")
            return
        effects = self._crew.platform.start()
        if not effects:
            reason = self._start.why_not()
            raise PlatformError(f"the target is not there and not ours to start: {reason}")
        self._found(effects)
        self._watch.say("starting the target")
        patience = self._watch.start_within
        try:
            self._until(self._there, patience, "the target did not get ready")
        except PlatformError as error:
            raise PlatformError(f"{error}: {self._start.why_not()}") from None
        self._injector.forget_ended()

    def _there(self) -> bool:
        """Whether the target is there; asking may take a command or a server its time."""
        return bool(self._crew.aside(self._start.there, self._tick_only))

    def _helpers_ready(self) -> bool:
        helpers = (self._crew.prober, self._crew.load, self._crew.ledger)
        return all(helper is None or helper.state() == "ready" for helper in helpers)

    def _warm_up(self) -> None:
        now = self._crew.clock.now()
        load, plan = self._crew.load, self._experiment.load
        if load is None or plan is None:
            self._zero = now
            self._begin_ledger()
            return
        begin = now + LEAD
        self._zero = begin + plan.warmup.ns
        load.begin(begin)
        self._begin_ledger()
        self._loading = True
        self._tell("load.started", at=begin - self._origin)
        self._phase("warmup", until=self._zero)
        self._wait_until(self._zero)

    def _begin_ledger(self) -> None:
        """Its first write is due when the baseline begins."""
        if self._crew.ledger is not None:
            facts = self._crew.ledger.begin(self._zero)
            self._tell("ledger.started", moment=self._zero, **facts)

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
        healed = self._injector.watch_healing(now, self._tick_only)
        return healed and all(self._crew.prober.steady(one, now) for one in objectives)

    def _read_back(self) -> None:
        """Ask every copy which writes it has, before anything is restored; heeds signals."""
        ledger = self._crew.ledger
        if ledger is None:
            return
        ledger.stop(self._crew.clock.now(), read=True)
        longest = ledger.reading_takes()
        self._phase(READ_BACK, until=self._crew.clock.now() + longest)
        self._until(lambda: ledger.state() == "done", longest, "the copies were not read back")

    # -- the end

    def _wind_up(self, how: str, reason: str) -> RunResult:
        """Restore, collect, stop what was started, seal. Goes to its end whatever fails."""
        self._tell.forgive()
        self._watch.ending()
        if how != "completed":
            self._watch.say(f"{how}: {reason}; putting everything back")
        self._phase("restore")
        if self._watching:
            attempt(lambda: self._say_state("after"))  # as the system left itself, not as we do
        attempt(lambda: self._injector.restore(self._tick_only))  # tried once more below
        troubles = [attempt(self._measure)]
        left, unknown = restore_all(self._injector, self._journal, self._tick_only)
        if not troubles[0]:
            discard(self._crew)
        if not unknown:
            troubles.append(attempt(self._watch.dismiss))
        self._phase("seal")
        how, reason = outcome(how, reason, [*troubles, unknown, self._tell.lost])
        self._tell("run.finished", how=how, reason=reason)
        sealed = attempt(self._record.seal)
        how, reason = outcome(how, reason, [sealed, self._tell.lost])
        return RunResult(self._run, self._record.folder, how, reason, left, self._lacking)

    def _measure(self) -> None:
        """Let load and prober end and write down what was seen."""
        self._record.text("experiment.yaml", self._crew.resolved(self._start.known))
        if not self._watching:
            return  # the target was never there, so there is nobody to let end
        drain(self._crew, loading=self._loading, until=self._until, tell=self._tell)
        collect(self._crew, self._record, self._origin, tell=self._tell, meanwhile=self._tick_only)

    # -- the loop

    def _tick(self) -> None:
        """One round: signs of life, what the target says, what is due; may end the run early."""
        now = self._crew.clock.now()
        self._watch.tick(self._live_faults())
        self._injector.watch_started(now, self._tick_only)
        self._listen()
        self._act(now)
        self._watch.raise_if_over(now)
        self._crew.clock.sleep(self._watch.pause)

    def _tick_only(self) -> None:
        """Signs of life while something else is under way; never ends anything."""
        self._watch.tick(self._live_faults())
        self._crew.clock.sleep(self._watch.pause)

    def _tick_heeding(self) -> None:
        """Signs of life while nothing is changed yet; may end the run early."""
        self._tick_only()
        self._watch.raise_if_over(self._crew.clock.now())

    def _act(self, now: int) -> None:
        if not self._zero:
            return
        for act in self._timeline.acts(now - self._zero):
            {"inject": self._inject, "end": self._end, "miss": self._miss}[act.do](act.occurrence)
        self._injector.hold(now, self._tick_only)
        self._injector.watch_healing(now, self._tick_only)
        ends = [one.ends for one in self._timeline.in_force if one.ends is not None]
        self._watch.due = self._zero + min(ends) + GRACE if ends else 0

    def _inject(self, occurrence: Occurrence) -> None:
        now = self._crew.clock.now()
        self._watch.due = self._watch.due or now + INJECTING
        self._injector.inject(occurrence, now, self._tick_only, self._tick_heeding)
        self._timeline.injected(occurrence, self._crew.clock.now() - self._zero)
        self._watch.say(f"injected {occurrence.plan.name}")
        if not occurrence.plan.fault.lasts():
            self._injector.settle(occurrence)

    def _end(self, occurrence: Occurrence) -> None:
        now = self._crew.clock.now()
        patience = now + self._injector.patience(occurrence) + GRACE
        self._watch.due = max(self._watch.due, patience)
        for left in self._injector.end(occurrence, self._tick_only):
            raise HarnessError(f"{left.effect} could not be reverted: {left.error}")
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
        self._tell("phase", moment=at, phase=name)

    def _say_state(self, when: str) -> None:
        platform = self._crew.platform
        seen = self._crew.aside(
            lambda: (platform.instances(), platform.links()), self._tick_only
        )  # looking for processes may take a while
        copies, links = ([asdict(each) for each in some] for some in seen)
        stores = {
            name: [copy.instance for copy in store.copies]
            for name, store in self._start.target.stores.items()
        }
        self._tell("target.state", when=when, instances=copies, links=links, stores=stores)

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
