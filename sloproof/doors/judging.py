"""Judging and reporting what a run left behind: `judge`, `report`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sloproof.doors.ending import DONE, STATUS, Ending
from sloproof.doors.outlook import TEMPLATES, refuse_outputs, refuse_unwritable
from sloproof.errors import HarnessError, InvalidInput, Problem

if TYPE_CHECKING:
    from sloproof.model.verdict import Claim, Verdict
    from sloproof.record.reader import Record
    from sloproof.spec.objectives import Objectives

VERDICT = "verdict.json"
REPORT = "report.html"


def judge(folder: Path, objectives: Sequence[Path]) -> Ending:
    """Judge a record anew, by its own objectives or by those in other files.

    Only the verdict by its own objectives is written into the record.
    """
    from sloproof.judge import verdict_json
    from sloproof.report.summary import summary_text

    record = _opened(folder)
    others = _others(record, objectives)
    verdict = _judged(record, others)
    text = verdict_json(verdict)
    unwritten = "" if objectives else why_not_written(record.folder, text)
    body = {**json.loads(text), "other_objectives": sorted(others), "unwritten": unwritten}
    lines = [*summary_text(verdict), *unwritten_line(unwritten)]
    lines += [
        f"  ! judged by another {name} than the run's own: that of {other.origin}"
        for name, other in sorted(others.items())
    ]
    return Ending(STATUS[verdict.outcome], body, "\n".join(lines))


def report(folder: Path, output: Path | None) -> Ending:
    """Write the HTML report of a record; its status says only whether that worked."""
    record, verdict = judged(folder)
    refuse_outputs(output=output)
    refuse_unwritable(output=output or folder / REPORT)
    path = write_page(record, verdict, Path.cwd(), output)
    return Ending(DONE, {"report": str(path)}, str(path))


def judged(folder: Path) -> tuple[Record, Verdict]:
    """A record and its verdict; raises `BrokenRecord` for one that was changed."""
    record = _opened(folder)
    return record, _judged(record, {})


def why_not_written(folder: Path, verdict: str) -> str:
    """Write a verdict into its record; gives why that can't be, or "".

    A record that is archived where nothing can be written is judged all the same.
    """
    from sloproof.record.writer import write_beside

    try:
        write_beside(folder / VERDICT, verdict)
    except HarnessError as error:
        return str(error)
    return ""


def unwritten_line(reason: str) -> list[str]:
    """The line for people below a verdict that its record doesn't have."""
    return [f"  ! the verdict is not in the record: {reason}"] if reason else []


def _opened(folder: Path) -> Record:
    from sloproof.record.reader import Record

    return Record(folder)


def _judged(record: Record, others: Objectives) -> Verdict:
    from sloproof.judge import judge as judge_record

    return judge_record(record, objectives=others or None)


def _others(record: Record, files: Sequence[Path]) -> Objectives:
    """Those objectives in `files` that the record's experiment uses.

    Raises `InvalidInput` for a file that can't be read, and where none of it would be used.
    """
    from sloproof.judge import asked_of
    from sloproof.spec import load_objectives

    if not files:
        return {}
    found = load_objectives(files)
    used = asked_of(record).objectives
    others = {n: each for n, each in found.items() if n in used and type(each) is type(used[n])}
    if not others:
        message = (
            f"none of its objectives ({', '.join(sorted(found)) or 'it has none'}) is one that the "
            f"run was judged by ({', '.join(sorted(used)) or 'it was judged by none'})"
        )
        raise InvalidInput([Problem(str(file), 0, "--slo", message) for file in files])
    return others


def write_page(record: Record, verdict: Verdict, project: Path, output: Path | None = None) -> Path:
    """Write the HTML report, by the project's own templates where it has some."""
    from sloproof.report.page import write_report

    path = output or record.folder / REPORT
    path.parent.mkdir(parents=True, exist_ok=True)
    own = project / TEMPLATES
    write_report(record, verdict, path, templates=own if own.is_dir() else None)
    return path


def claim_body(claim: Claim) -> dict[str, Any]:
    """A claim as it stands in `run --json`."""
    return {
        "id": claim.id,
        "check": claim.check,
        "window": claim.window,
        "outcome": claim.finding.outcome.value,
        "reason": claim.finding.reason,
        "numbers": [
            {
                "name": number.name,
                "value": number.value,
                "unit": number.unit,
                "low": number.low,
                "high": number.high,
            }
            for number in claim.finding.numbers
        ],
        "notes": list(claim.finding.notes),
        "unattributed": claim.unattributed,
    }
