"""Starting a run: recover what dead runs left, lock the target, hire the crew, let it go."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sloproof import __version__
from sloproof.contracts import Platform
from sloproof.effects.incarnation import self_incarnation
from sloproof.errors import HarnessError, Interrupted, PlatformError, UsageError
from sloproof.extensions import Extensions
from sloproof.model.clock import Clock, SystemClock, boot_id, wall_minus_monotonic
from sloproof.model.secrets import Secrets
from sloproof.model.target import Target
from sloproof.record.writer import RecordWriter
from sloproof.run.aside import aside
from sloproof.run.claim import claimed
from sloproof.run.control import Bulletin, Status
from sloproof.run.crew import Crew
from sloproof.run.drivers import RealLoad, RealProber
from sloproof.run.engine import Engine
from sloproof.run.environment import environment
from sloproof.run.guarding import Guard, GuardianProcess
from sloproof.run.holding import Entries, Lent, LentBulletin
from sloproof.run.journal import Journal
from sloproof.run.ledger.driver import RealLedger
from sloproof.run.ledger.order import Order, order_of
from sloproof.run.load.profiles import builtin_profiles, find_profiles
from sloproof.run.load.spec import LoadSpec, load_spec
from sloproof.run.lock import TargetLock
from sloproof.run.observing import TargetObserver
from sloproof.run.progress import Progress, Silent
from sloproof.run.result import RunOptions, RunResult
from sloproof.run.state import run_folder, tidy
from sloproof.run.stopping import StopWatch
from sloproof.run.watch import Signals, Watch
from sloproof.spec import Loaded, resolved_text
from sloproof.spec.experiment import Experiment
from sloproof.spec.load_changes import changes_of

DEFAULT_PATIENCE = 30_000_000_000


def run_experiment(
    loaded: Loaded, options: RunOptions, signals: Signals, progress: Progress | None = None
) -> RunResult:
    """Run an experiment to its end and seal its record; judging is somebody else's.

    `signals` are heeded: what they received ends the run early.

    Raises `NotReverted` where an earlier run's effects can't be undone, `HarnessError` where the
    target is under test by another run or the guardian can't be started, `Interrupted` where a
    signal came before anything was begun.
    """
    shown = progress or Silent()
    run = _run_id(loaded.experiment)
    with _claim(loaded, options, run, shown) as lock, loaded.secrets.exported():
        if signals.received:
            raise Interrupted(f"{signals.received} came before anything was begun")
        try:
            result = _Start(loaded, options, run, signals, shown).engine(lock).run()
            return _masked(result, loaded.secrets)
        finally:
            if options.hold is not None:
                options.hold.guard.dismiss()  # however it ended, it gives no more signs of life
            shown.close()


def _claim(
    loaded: Loaded, options: RunOptions, run: str, progress: Progress
) -> AbstractContextManager[TargetLock]:
    """The target's lock: the caller's, or one for this run alone."""
    if options.hold is not None:
        return nullcontext(options.hold.lock)
    return claimed(loaded.target, options.state, run, progress)


def _masked(result: RunResult, secrets: Secrets) -> RunResult:
    """The result, and what the processes of the run wrote into its logs, without secrets."""
    for log in sorted((result.record / "work").glob("*.log")):
        text = log.read_text("utf-8", "surrogateescape")
        if (shown := secrets.mask(text)) != text:
            log.write_text(shown, "utf-8", "surrogateescape")
    left = tuple(map(secrets.mask, result.unreverted))
    return replace(result, reason=secrets.mask(result.reason), unreverted=left)


def _run_id(experiment: Experiment) -> str:
    now = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    return f"{now}-{experiment.name}-{secrets.token_hex(2)}"


@dataclass(slots=True)
class _Start:
    """The parts of one run, made in the order in which they need each other."""

    loaded: Loaded
    options: RunOptions
    run: str
    signals: Signals
    progress: Progress

    def engine(self, lock: TargetLock) -> Engine:
        """The engine with everything it works with; the guardian watches from here on."""
        clock = SystemClock()
        origin = clock.now()
        wall = origin + wall_minus_monotonic(clock)
        experiment = self.loaded.experiment
        seed = self.options.seed if self.options.seed is not None else experiment.seed
        record = self._record(self.loaded.secrets)
        record.event(
            0,
            "run.started",
            run=self.run,
            experiment=experiment.name,
            wall_ns=wall,
            monotonic_ns=origin,
            boot_id=boot_id(),
            seed=seed,
            version=__version__,
        )
        record.event(0, "phase", phase="prepare")
        record.json("environment.json", environment(Path(self.loaded.target.folder), seed))
        record.text("experiment.yaml", self._resolved(None))  # a run that dies can be judged, too
        crew = replace(self._crew(clock, wall, record.folder, seed), claim=lock.touch)
        journal = self._journal(lock, origin, crew.guard, record.folder)
        return Engine(
            experiment,
            self.loaded.objectives,
            crew,
            run=self.run,
            seed=seed,
            record=record,
            journal=journal,
            watch=self._watch(crew, record, (origin, wall)),
            origin=origin,
        )

    def _journal(self, lock: TargetLock, origin: int, guard: Guard, record: Path) -> Entries:
        """The journal, with a guardian that watches over it from here on."""
        if self.options.hold is not None:
            return Lent(self.options.hold.journal)
        folder = run_folder(self.options.state, self.run)
        header = {
            "run": self.run,
            "target": self.loaded.target.name,
            "place": lock.place,
            "origin": origin,
            "files": self._files(),
        }
        secrets = self.loaded.secrets
        journal = Journal.create(folder / "journal", header | {"boot": boot_id()}, secrets)
        try:
            guard.start(journal.path, record, lock.fds)
            journal.add({"guardian": str(guard.incarnation)})
        except (HarnessError, OSError):
            guard.dismiss()
            journal.close()
            tidy(folder)
            raise
        return journal

    def _files(self) -> list[str]:
        """Where `recover` finds secrets that stand in files as they are."""
        origins = (self.loaded.experiment.origin, self.loaded.target.origin)
        return [str(Path(self.loaded.project, origin)) for origin in origins]

    def _record(self, secrets: Secrets) -> RecordWriter:
        folder = self.options.runs.resolve() / self.run
        try:
            return RecordWriter(folder, secrets)
        except OSError as error:
            raise UsageError(f"{folder}: can't be made: {error.strerror}") from error

    def _watch(self, crew: Crew, record: RecordWriter, anchor: tuple[int, int]) -> Watch:
        origin, wall = anchor
        experiment, target = self.loaded.experiment, self.loaded.target
        hold = self.options.hold
        return Watch(
            clock=crew.clock,
            guard=crew.guard,
            load=crew.load,
            prober=crew.prober,
            ledger=crew.ledger,
            stops=StopWatch(experiment.stop, self.loaded.objectives, crew.load),
            signals=self.signals,
            bulletin=LentBulletin(hold.folder)
            if hold
            else Bulletin(run_folder(self.options.state, self.run)),
            progress=self.progress,
            card=Status(
                run=self.run,
                experiment=experiment.name,
                target=target.name,
                engine=str(self_incarnation()),
                phase="prepare",
                remaining_s=0,
                faults=(),
                line="",
                record=str(record.folder),
                suite=hold.run if hold else "",
                step=hold.step if hold else "",
            ),
            start_within=target.start.within.ns if target.start else DEFAULT_PATIENCE,
            anchor=wall - origin,
        )

    def _crew(self, clock: Clock, wall: int, record: Path, seed: int) -> Crew:
        work = record / "work"
        work.mkdir()
        load = None
        if self.loaded.experiment.load is not None:
            load = RealLoad(
                work / "load", lambda target: self._load_spec(target, seed), self.loaded.secrets
            )
        project = Path(self.loaded.project)
        hold = self.options.hold
        return Crew(
            clock=clock,
            platform=self._platform(hold.work if hold else work),
            prober=RealProber(work / "prober", project, self.loaded.secrets),
            load=load,
            observer=TargetObserver(clock, wall),
            guard=hold.guard if hold else GuardianProcess(),
            complete=self._complete,
            resolved=self._resolved,
            aside=aside,
            ledger=self._ledger(work),
        )

    def _ledger(self, work: Path) -> RealLedger | None:
        ledger = self.loaded.experiment.ledger
        if ledger is None:
            return None

        # Beside the journal: it outlives the record, as whatever an undo needs does.
        note = run_folder(self.options.state, f"{self.run}.restored")

        def order(target: Target) -> Order:
            return order_of(self.run, ledger, target, note)

        return RealLedger(work / "ledger", order, self.loaded.secrets)

    def _platform(self, work: Path) -> Platform:
        target = self.loaded.target
        kinds = Extensions.of(Path(self.loaded.project)).platforms
        make: Any = kinds[target.platform]
        platform: Platform = make(target, run=self.run, work=work)
        return platform

    def _complete(self, found: Mapping[str, Any]) -> Target:
        return self.loaded.running(found).target

    def _resolved(self, target: Target | None) -> str:
        filled = replace(self.loaded, target=target) if target else self.loaded
        return resolved_text(filled)

    def _load_spec(self, target: Target, seed: int) -> LoadSpec:
        experiment = self.loaded.experiment
        if experiment.load is None:
            raise PlatformError("the experiment has no load")
        project = Path(self.loaded.project)
        paths = find_profiles([builtin_profiles(), project / "load_profiles"])
        for part in experiment.load.mix:
            if part.locustfile:
                paths[part.locustfile] = project / part.locustfile
        entry = target.entry
        if entry.ca is not None:
            entry = replace(entry, ca=str(Path(target.folder, entry.ca)))
        return load_spec(
            experiment.load,
            entry,
            seed=seed,
            profile_paths=paths,
            crew=self.options.workers,
            changes=[each for plan in experiment.faults for each in changes_of(plan)],
        )
