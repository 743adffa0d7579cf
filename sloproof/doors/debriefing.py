"""Judging and reporting what a suite left behind."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sloproof.doors.ending import DONE, STATUS, Ending
from sloproof.doors.judging import (
    REPORT,
    VERDICT,
    claim_body,
    unwritten_line,
    why_not_written,
)
from sloproof.doors.outlook import TEMPLATES, refuse_outputs, refuse_unwritable
from sloproof.errors import UsageError

if TYPE_CHECKING:
    from sloproof.judge.drill import SuiteVerdict
    from sloproof.record.suite import SuiteRecord
    from sloproof.spec.suite import Suite


def judged(record: SuiteRecord) -> tuple[Suite, SuiteVerdict]:
    """A suite and the verdict on its record; raises `BrokenRecord` for one that was changed.

    A review that was changed counts, though the verdict doesn't depend on it.
    """
    from sloproof.judge import judge as judge_record
    from sloproof.judge.drill import Judged
    from sloproof.judge.suite import judge_suite
    from sloproof.record.reader import Record
    from sloproof.spec import suite_from_record

    _ = record.reviews
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
    from sloproof.judge.drill import suite_verdict_json
    from sloproof.record.suite import SuiteRecord

    if objectives:
        raise UsageError("--slo judges one run: name a record inside of this suite's")
    _, verdict = judged(SuiteRecord(folder))
    unwritten = why_not_written(folder, suite_verdict_json(verdict))
    words = "\n".join([words_of(verdict), *unwritten_line(unwritten)])
    return Ending(STATUS[verdict.outcome], body_of(verdict) | {"unwritten": unwritten}, words)


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
    refuse_outputs(output=output)
    refuse_unwritable(output=output or folder / REPORT)
    path = write_page(record, suite, verdict, Path.cwd(), output)
    return Ending(DONE, {"report": str(path)}, str(path))


def write_page(
    record: SuiteRecord,
    suite: Suite,
    verdict: SuiteVerdict,
    project: Path,
    output: Path | None = None,
) -> Path:
    """Write the report, by the project's own templates where it has some."""
    from sloproof.report.drill import write_suite_report

    path, own = output or record.folder / REPORT, project / TEMPLATES
    path.parent.mkdir(parents=True, exist_ok=True)
    write_suite_report(record, suite, verdict, path, templates=own if own.is_dir() else None)
    return path


def write_verdict(folder: Path, verdict: SuiteVerdict) -> None:
    """Write the verdict into the suite's record."""
    from sloproof.judge.drill import suite_verdict_json
    from sloproof.record.writer import write_beside

    write_beside(folder / VERDICT, suite_verdict_json(verdict))


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
