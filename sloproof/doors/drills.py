"""Suites: running them, judging and reporting what they left behind."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sloproof.doors.ending import (
    BROKE,
    DONE,
    INTERRUPTED,
    REFUSED,
    STATUS,
    UNREVERTED,
    Ending,
    gravest,
)
from sloproof.doors.judging import REPORT, VERDICT, claim_body
from sloproof.doors.loading import Wanted
from sloproof.doors.outlook import (
    TEMPLATES,
    refuse_before_running,
    refuse_profiles,
    refuse_templates,
    refuse_unwritable,
)
from sloproof.doors.planning import plan_of, plan_words, refuse_without_verdict
from sloproof.doors.running import Ran, Settings, run_one, with_report, write_summaries
from sloproof.errors import NoVerdictPossible, UsageError
from sloproof.spec.plain import as_written

if TYPE_CHECKING:
    from sloproof.judge.drill import SuiteVerdict
    from sloproof.record.suite import SuiteRecord
    from sloproof.run.conductor import Performed, SuiteResult
    from sloproof.run.holding import Hold
    from sloproof.run.watch import Signals
    from sloproof.spec import Loaded, LoadedSuite
    from sloproof.spec.suite import Suite

RECORDS = "records"
"""The folder of the runs' own records inside of the suite's."""


def suites_among(files: Sequence[Path]) -> list[Path]:
    """The suites that are named; raises `UsageError` where one is named beside anything else."""
    from sloproof.spec import find_suites

    named = find_suites([file for file in files if file.is_file()])
    if named and len(files) > 1:
        others = ", ".join(str(file) for file in files if file != named[0])
        raise UsageError(f"{named[0]}: a suite is run by itself, not with {others}")
    return named


def load(wanted: Wanted) -> LoadedSuite:
    """The one suite that is wanted; raises `InvalidInput`, or `UsageError` for other labels."""
    from sloproof.spec import load_suite

    (file,) = wanted.files
    loaded = load_suite(file, variables=wanted.variables, target=wanted.target)
    if not wanted.labels.items() <= loaded.suite.labels.items():
        raise UsageError(f"{file}: has other labels")
    return loaded


def refuse_too_few_runs(loaded: LoadedSuite) -> None:
    """Raise `NoVerdictPossible` with every general claim that has too few runs."""
    from sloproof.judge.across import too_few_runs

    reasons = too_few_runs(loaded.suite)
    if reasons:
        raise NoVerdictPossible("\n".join([*reasons, "or --allow-inconclusive"]))


def plan(wanted: Wanted, *, allow_inconclusive: bool, seed: int | None) -> Ending:
    """The steps of a suite and the plan of each of its experiments; refused like a plan's."""
    from sloproof.judge.across import too_few_runs

    loaded = load(wanted)
    suite = loaded.suite
    refuse_profiles(loaded.loaded)
    refuse_templates({loaded.project})
    plans = [None if each is None else plan_of(each, seed) for each in loaded.experiments]
    obstacles = [lack for each in plans if each for lack in each["lacks"]]
    if not allow_inconclusive:
        obstacles += [text for each in plans if each for text in each["undecidable"]]
        obstacles += too_few_runs(suite)
    steps = [
        {"name": step.name, "manual": as_written(step.manual), "times": step.times, "plan": each}
        for step, each in zip(suite.steps, plans, strict=True)
    ]
    body: dict[str, Any] = {"suite": suite.name, "gate": as_written(suite.gate), "steps": steps}
    if obstacles:
        body["error"] = "\n".join(obstacles)
    return Ending(REFUSED if obstacles else DONE, body, _plan_words(loaded, plans, obstacles))


def _plan_words(
    loaded: LoadedSuite, plans: Sequence[dict[str, Any] | None], obstacles: Sequence[str]
) -> str:
    suite, gate = loaded.suite, loaded.suite.gate
    lines = [
        f"{suite.name}: {len(suite.steps)} steps",
        *([suite.description] * bool(suite.description)),
    ]
    if gate.probes != ():
        probes = ", ".join(gate.probes) if gate.probes else "all probes"
        lines.append(
            f"before each experiment and at the end: {probes} good for {gate.for_}, "
            f"within {gate.within}"
        )
    for number, (step, each) in enumerate(zip(suite.steps, plans, strict=True), start=1):
        times = f", {step.times} times" if step.times > 1 else ""
        lines += ["", f"{number}. {step.name}{times}"]
        if step.manual is not None:
            lines.append(f"  {step.manual.by}: {step.manual.do} (within {step.manual.within})")
        if each is not None:
            lines += [f"  {line}".rstrip() for line in plan_words(each).splitlines()]
    lines += ["", *(f"LACKS {each}" for each in obstacles)] if obstacles else []
    return "\n".join(lines)


def run(wanted: Wanted, settings: Settings) -> Ending:
    """Run a suite to its end, judge it and report it."""
    from sloproof.run.watch import Signals

    loaded = load(wanted)
    refuse_before_running(loaded.loaded, settings)
    if not settings.allow_inconclusive:
        refuse_without_verdict(loaded.loaded)
        refuse_too_few_runs(loaded)
    now = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    name = f"{now}-{loaded.suite.name}-{secrets.token_hex(2)}"
    with Signals().heeded() as signals:
        drill = Drill(loaded, settings, name, signals)
        return _ending(drill, drill.conduct())


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
        from sloproof.effects.incarnation import self_incarnation
        from sloproof.model.clock import SystemClock, boot_id, wall_minus_monotonic
        from sloproof.record.suite import SuiteWriter
        from sloproof.run.asking import Desk
        from sloproof.run.conductor import Conductor, Crew
        from sloproof.run.control import Bulletin, Status
        from sloproof.run.environment import environment
        from sloproof.run.progress import progress_to
        from sloproof.run.state import run_folder, state_dir
        from sloproof.spec import suite_text

        suite, clock = self.loaded.suite, SystemClock()
        record = SuiteWriter(self.folder, self.loaded.secrets)
        origin = clock.now()
        record.text("suite.yaml", suite_text(self.loaded.document))
        about = environment(self.loaded.project, self.settings.seed or 0)
        record.json("suite.json", {**about, "seed": self.settings.seed})
        record.event(
            0,
            "suite.started",
            run=self.run,
            suite=suite.name,
            wall_ns=origin + wall_minus_monotonic(clock),
            monotonic_ns=origin,
            boot_id=boot_id(),
            version=about["sloproof"],
        )
        folder = run_folder(state_dir(), self.run)
        target = suite.target or self.loaded.loaded[0].target.name
        card = Status(
            run=self.run,
            experiment=suite.name,
            target=target,
            engine=str(self_incarnation()),
            phase="manual",
            remaining_s=0,
            faults=(),
            line="",
            record=str(self.folder),
            suite=self.run,
        )
        crew = Crew(
            clock=clock,
            perform=self._perform,
            hold=self._hold,
            desk=Desk(folder),
            bulletin=Bulletin(folder),
            signals=self.signals,
            progress=progress_to(sys.stderr),
        )
        return Conductor(self.loaded, crew, record, card, origin, self.settings.seed).run()

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

        settings = replace(
            self.settings, runs=self.folder / RECORDS, seed=seed, hold=held, report=False
        )
        ran = run_one(loaded, settings, self.signals)
        self.ran.append(ran)
        return Performed(
            run=ran.run,
            how=ran.how,
            reason=ran.reason,
            outcome=ran.verdict.outcome.value if ran.verdict else "",
            broke=ran.reason if ran.how == "failed" or ran.verdict is None else "",
            unreverted=ran.unreverted,
        )


def judged(record: SuiteRecord) -> tuple[Suite, SuiteVerdict]:
    """A suite and the verdict on its record; raises `BrokenRecord` for one that was changed."""
    from sloproof.judge import judge as judge_record
    from sloproof.judge.drill import Judged
    from sloproof.judge.suite import judge_suite
    from sloproof.record.reader import Record
    from sloproof.spec import suite_from_record

    opened = [Record(folder) for folder in record.records]
    runs = {each.run: Judged(each, judge_record(each)) for each in opened}
    suite = suite_from_record(record.suite_text)
    return suite, judge_suite(record, suite, runs)


def is_suite_record(folder: Path) -> bool:
    """Whether a folder is the record of a suite."""
    from sloproof.record.suite import is_suite_record as told

    return told(folder)


def judge(folder: Path, objectives: Sequence[Path]) -> Ending:
    """Judge a suite's record anew, with all its runs, by their own objectives."""
    from sloproof.record.suite import SuiteRecord

    if objectives:
        raise UsageError("--slo judges one run: name a record inside of this suite's")
    _, verdict = judged(SuiteRecord(folder))
    refuse_unwritable(RECORD=folder / VERDICT)
    _write_verdict(folder, verdict)
    return Ending(STATUS[verdict.outcome], body_of(verdict), words_of(verdict))


def claims_in(folder: Path) -> list[str]:
    """The ids of all claims of a suite's record."""
    from sloproof.record.suite import SuiteRecord

    _, verdict = judged(SuiteRecord(folder))
    return [claim.id for claim in (*verdict.claims, *verdict.across)]


def report(folder: Path, output: Path | None) -> Ending:
    """Write the report of a suite's record; its status says only whether that worked."""
    from sloproof.record.suite import SuiteRecord

    record = SuiteRecord(folder)
    suite, verdict = judged(record)
    refuse_unwritable(output=output or folder / REPORT)
    path = _write_report(record, suite, verdict, Path.cwd(), output)
    return Ending(DONE, {"report": str(path)}, str(path))


def _write_report(
    record: SuiteRecord,
    suite: Suite,
    verdict: SuiteVerdict,
    project: Path,
    output: Path | None = None,
) -> Path:
    from sloproof.report.drill import write_suite_report

    path, own = output or record.folder / REPORT, project / TEMPLATES
    path.parent.mkdir(parents=True, exist_ok=True)
    write_suite_report(record, suite, verdict, path, templates=own if own.is_dir() else None)
    return path


def _write_verdict(folder: Path, verdict: SuiteVerdict) -> None:
    from sloproof.judge.drill import suite_verdict_json
    from sloproof.record.writer import write_beside

    write_beside(folder / VERDICT, suite_verdict_json(verdict))


def _ending(drill: Drill, result: SuiteResult) -> Ending:
    from sloproof.record.suite import SuiteRecord

    record = SuiteRecord(drill.folder)
    suite, verdict = judged(record)
    _write_verdict(drill.folder, verdict)
    page = None
    if drill.settings.report:  # only now: drawing takes seconds in which no sign of life comes
        project = drill.loaded.project
        drill.ran = [with_report(each, project) for each in drill.ran]
        page = _write_report(record, suite, verdict, project)
    write_summaries(drill.ran, drill.settings)
    status = _status(drill.ran, result, verdict)
    body = {
        **body_of(verdict),
        "record": str(drill.folder),
        "how": result.how,
        "reason": result.reason,
        "unreverted": list(result.unreverted),
        "report": str(page) if page else None,
        "runs": [each.body() for each in drill.ran],
    }
    words = [words_of(verdict)]
    words += [f"  the suite was {result.how}: {result.reason}"] if result.how != "completed" else []
    words += [f"  NOT REVERTED: {each}" for each in result.unreverted]
    words.append(f"  {page or drill.folder}")
    return Ending(status, body, "\n".join(words))


def _status(ran: Sequence[Ran], result: SuiteResult, verdict: SuiteVerdict) -> int:
    """By the table; what a run left and the hold's end put back is no longer left."""
    statuses = [STATUS[verdict.outcome]]
    statuses += [UNREVERTED] if result.unreverted else []
    statuses += [BROKE] if result.how == "failed" or any(_broke(each) for each in ran) else []
    statuses += [INTERRUPTED] if result.how in ("interrupted", "stopped") else []
    return gravest(statuses)


def _broke(ran: Ran) -> bool:
    return ran.status in (BROKE, UNREVERTED)


def body_of(verdict: SuiteVerdict) -> dict[str, Any]:
    """A suite's verdict as `--json` prints it; claims as those of an experiment."""
    return {
        "suite": verdict.suite,
        "experiment": verdict.suite,
        "run": verdict.run,
        "outcome": verdict.outcome.value,
        "sentence": verdict.sentence,
        "claims": [claim_body(claim) for claim in (*verdict.claims, *verdict.across)],
        "evidence": list(verdict.evidence),
        "deviations": [each.what for each in verdict.deviations],
    }


def words_of(verdict: SuiteVerdict) -> str:
    """What people are told of it."""
    from sloproof.report.summary import MARKS

    lines = [f"{verdict.suite}: {verdict.sentence}"]
    told = [(step.outcome, step.label, step.reason) for step in verdict.steps]
    told += [(c.finding.outcome, c.id, c.finding.reason) for c in verdict.across]
    lines += [f"  {MARKS[o]} {o:<12}  {name}: {reason}" for o, name, reason in told]
    lines += [f"  ! {text}" for text in verdict.evidence]
    lines += [f"  ! deviation: {each.step}: {each.what}" for each in verdict.deviations]
    return "\n".join(lines)
