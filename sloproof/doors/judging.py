"""Judging and reporting what a run left behind: `judge`, `report`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sloproof.doors.ending import DONE, STATUS, Ending
from sloproof.doors.outlook import TEMPLATES, refuse_unwritable

if TYPE_CHECKING:
    from sloproof.model.verdict import Claim, Verdict
    from sloproof.record.reader import Record

VERDICT = "verdict.json"
REPORT = "report.html"


def judge(folder: Path, objectives: Sequence[Path]) -> Ending:
    """Judge a record anew, by its own objectives or by those in other files.

    Only the verdict by its own objectives is written into the record.
    """
    from sloproof.judge import verdict_json
    from sloproof.report.summary import summary_text

    record, verdict = judged(folder, objectives)
    if not objectives:
        refuse_unwritable(RECORD=folder / VERDICT)
        (record.folder / VERDICT).write_text(verdict_json(verdict), encoding="utf-8")
    return Ending(
        STATUS[verdict.outcome], json.loads(verdict_json(verdict)), "\n".join(summary_text(verdict))
    )


def report(folder: Path, output: Path | None) -> Ending:
    """Write the HTML report of a record; its status says only whether that worked."""
    record, verdict = judged(folder)
    refuse_unwritable(output=output or folder / REPORT)
    path = write_page(record, verdict, Path.cwd(), output)
    return Ending(DONE, {"report": str(path)}, str(path))


def judged(folder: Path, objectives: Sequence[Path] = ()) -> tuple[Record, Verdict]:
    """A record and its verdict; raises `BrokenRecord` for one that was changed."""
    from sloproof.judge import judge as judge_record
    from sloproof.record.reader import Record

    record = Record(folder)
    return record, judge_record(record, objectives=_objectives(objectives))


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


def _objectives(files: Sequence[Path]) -> Any:
    if not files:
        return None
    from sloproof.spec import load_objectives

    return load_objectives(files)
