"""One suite conducted: its record, the target that it holds, and its runs, up to the seal."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sloproof.doors.running import Ran, Settings, run_one

if TYPE_CHECKING:
    from sloproof.model.clock import Clock
    from sloproof.record.suite import SuiteWriter
    from sloproof.run.conductor import Crew, Performed, SuiteResult
    from sloproof.run.control import Status
    from sloproof.run.holding import Hold
    from sloproof.run.watch import Signals
    from sloproof.spec import Loaded, LoadedSuite

RECORDS = "records"
"""The folder of the runs' own records inside of the suite's."""


@dataclass(slots=True)
class Drill:
    """One run of a suite, with what its runs came to."""

    loaded: LoadedSuite
    settings: Settings
    run: str
    signals: Signals
    ran: list[Ran] = field(default_factory=list)

    @property
    def folder(self) -> Path:
        """Its record."""
        return self.settings.runs.resolve() / self.run

    def conduct(self) -> SuiteResult:
        """All steps, up to the seal."""
        from sloproof.model.clock import SystemClock
        from sloproof.record.suite import SuiteWriter
        from sloproof.run.conductor import Conductor

        clock = SystemClock()
        record = SuiteWriter(self.folder, self.loaded.secrets)
        origin = clock.now()
        self._begin(record, clock, origin)
        crew, card = self._crew(clock), self._card()
        return Conductor(self.loaded, crew, record, card, origin, self.settings.seed).run()

    def _begin(self, record: SuiteWriter, clock: Clock, origin: int) -> None:
        """Write down what is run, by whom and where, before anything happens."""
        from sloproof.model.clock import boot_id, wall_minus_monotonic
        from sloproof.run.environment import environment
        from sloproof.spec import suite_text

        record.text("suite.yaml", suite_text(self.loaded.document))
        about = environment(self.loaded.project, self.settings.seed or 0)
        record.json("suite.json", {**about, "seed": self.settings.seed})
        record.event(
            0,
            "suite.started",
            run=self.run,
            suite=self.loaded.suite.name,
            wall_ns=origin + wall_minus_monotonic(clock),
            monotonic_ns=origin,
            boot_id=boot_id(),
            version=about["sloproof"],
        )

    def _card(self) -> Status:
        """How it shows itself to other terminals between its runs."""
        from sloproof.effects.incarnation import self_incarnation
        from sloproof.run.control import Status

        suite = self.loaded.suite
        return Status(
            run=self.run,
            experiment=suite.name,
            target=suite.target or self.loaded.loaded[0].target.name,
            engine=str(self_incarnation()),
            phase="manual",
            remaining_s=0,
            faults=(),
            line="",
            record=str(self.folder),
            suite=self.run,
        )

    def _crew(self, clock: Clock) -> Crew:
        from sloproof.run.asking import Desk
        from sloproof.run.conductor import Crew
        from sloproof.run.control import Bulletin
        from sloproof.run.progress import progress_to
        from sloproof.run.state import run_folder, state_dir

        folder = run_folder(state_dir(), self.run)
        return Crew(
            clock=clock,
            perform=self._perform,
            hold=self._hold,
            desk=Desk(folder),
            bulletin=Bulletin(folder),
            signals=self.signals,
            progress=progress_to(sys.stderr),
        )

    def _hold(self, first: Loaded) -> AbstractContextManager[Hold]:
        from sloproof.run.holding import Holding
        from sloproof.run.progress import progress_to
        from sloproof.run.state import state_dir

        holding = Holding(
            run=self.run,
            state=state_dir(),
            record=self.folder,
            secrets=self.loaded.secrets,
            progress=progress_to(sys.stderr),
        )
        origins = {o for e in self.loaded.loaded for o in (e.experiment.origin, e.target.origin)}
        files = [str(Path(self.loaded.project, origin)) for origin in sorted(origins)]
        return holding.of(first.target, files)

    def _perform(self, loaded: Loaded, seed: int | None, held: Any) -> Performed:
        from sloproof.run.conductor import Performed
        from sloproof.run.progress import progress_to

        settings = replace(
            self.settings, runs=self.folder / RECORDS, seed=seed, hold=held, report=False
        )
        ran = run_one(loaded, settings, self.signals)
        self.ran.append(ran)
        came_to = ran.verdict.sentence if ran.verdict else f"ERROR: {ran.reason}"
        progress_to(sys.stderr).say(f"{ran.experiment}: {came_to}")
        return Performed(
            run=ran.run,
            how=ran.how,
            reason=ran.reason,
            outcome=ran.verdict.outcome.value if ran.verdict else "",
            broke=ran.reason if ran.how == "failed" or ran.verdict is None else "",
            unreverted=ran.unreverted,
        )
