"""Suites: what is in one, and running it to its end."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sloproof.doors.conducting import Drill
from sloproof.doors.debriefing import body_of, judged, words_of, write_page, write_verdict
from sloproof.doors.ending import (
    BROKE,
    DONE,
    INTERRUPTED,
    REFUSED,
    STATUS,
    UNREVERTED,
    Ending,
    defect,
    gravest,
)
from sloproof.doors.loading import Wanted
from sloproof.doors.outlook import refuse_before_running, refuse_profiles, refuse_templates
from sloproof.doors.planning import plan_of, plan_words, refuse_without_verdict
from sloproof.doors.running import Ran, Settings, with_report, with_unwritten, write_summaries
from sloproof.errors import NoVerdictPossible, SloproofError, UsageError
from sloproof.spec.plain import as_written

if TYPE_CHECKING:
    from sloproof.judge.drill import SuiteVerdict
    from sloproof.record.suite import SuiteRecord
    from sloproof.run.conductor import SuiteResult
    from sloproof.spec import LoadedSuite
    from sloproof.spec.suite import Suite


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


def _ending(drill: Drill, result: SuiteResult) -> Ending:
    from sloproof.record.suite import SuiteRecord

    record = SuiteRecord(drill.folder)
    suite, verdict = judged(record)
    page, unwritten = _written(drill, record, suite, verdict)
    unwritten += write_summaries(drill.ran, drill.settings, (record, verdict))
    status = gravest([_status(drill.ran, result, verdict), *([BROKE] if unwritten else [])])
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
    words += [f"  ! {why}" for why in unwritten]
    return Ending(status, with_unwritten(body, unwritten, status), "\n".join(words))


def _written(
    drill: Drill, record: SuiteRecord, suite: Suite, verdict: SuiteVerdict
) -> tuple[Path | None, list[str]]:
    """The report, and what could not be written: that must not hide what was left behind."""
    page, project = None, drill.loaded.project
    try:
        write_verdict(drill.folder, verdict)
        if drill.settings.report:  # only now: drawing takes seconds without a sign of life
            drill.ran = [with_report(each, project) for each in drill.ran]
            page = write_page(record, suite, verdict, project)
    except SloproofError as error:
        return page, [str(error)]
    except (Exception, SystemExit) as error:  # noqa: BLE001 - as for a run: a defect must hide nothing
        return page, [str(defect(error))]
    return page, []


def _status(ran: Sequence[Ran], result: SuiteResult, verdict: SuiteVerdict) -> int:
    """By the table; what a run left and the hold's end put back is no longer left."""
    statuses = [STATUS[verdict.outcome]]
    statuses += [UNREVERTED] if result.unreverted else []
    statuses += [BROKE] if result.how == "failed" or any(_broke(each) for each in ran) else []
    statuses += [INTERRUPTED] if result.how in ("interrupted", "stopped") else []
    return gravest(statuses)


def _broke(ran: Ran) -> bool:
    return ran.status in (BROKE, UNREVERTED)
