"""`confirm`: what people say of a suite, of a step while it runs and of the whole afterwards."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from sloproof.doors.ending import DONE, Ending
from sloproof.errors import UsageError
from sloproof.spec.places import suggestion


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What was said, by whom: of the step or claim `about`, or of the suite as a whole."""

    by: str
    about: str = ""
    note: str = ""
    failed: bool = False
    action: str = ""
    owner: str = ""
    retest: str = ""
    role: str = ""


def confirm(run: str, said: Said) -> Ending:
    """Answer the suite that waits; about the record of one that ended, note it in its review.

    There it is a corrective action, or without one a signature.
    """
    from sloproof.record.suite import is_suite_record

    if not said.by.strip():
        raise UsageError("--by: somebody has to say it")
    if run and is_suite_record(Path(run)):
        return _review(Path(run), said)
    if "/" in run or Path(run, "events.jsonl").is_file():
        what = "is not a suite's record" if Path(run).exists() else "there is no such folder"
        raise UsageError(f"{run}: {what}")
    for option in ("action", "owner", "retest", "role"):
        if getattr(said, option):
            raise UsageError(
                f"--{option} is about the record of a suite that ended: name its folder"
            )
    return _answer(run, said)


def _answer(run: str, said: Said) -> Ending:
    from sloproof.run import asking
    from sloproof.run.state import state_dir

    answer = asking.Answer(
        step=said.about, by=said.by, note=said.note, failed=said.failed, wall_ns=time.time_ns()
    )
    waited = asking.confirm(state_dir(), run, answer)
    fate = "failed" if said.failed else "done"
    words = f"{waited.suite}: {waited.step} is {fate}, says {said.by}"
    return Ending(DONE, {"run": waited.suite, "step": waited.step, "by": said.by}, words)


def _review(folder: Path, said: Said) -> Ending:
    """Write the review, and the report anew."""
    from sloproof.doors import debriefing
    from sloproof.record.suite import review

    if said.failed:
        raise UsageError("--failed is about a manual step of a suite that runs")
    claims = debriefing.claims_in(folder)
    if said.about and said.about not in claims:
        hint = suggestion(said.about, claims)
        raise UsageError(f'{folder}: has no claim "{said.about}"{hint}')
    _check_day(said.retest)
    if said.action or said.owner or said.retest:
        if said.role:
            raise UsageError("--role is about a signature: sign apart from what is done")
        data = {"claim": said.about, "action": said.action, "owner": said.owner}
        data |= {"retest": said.retest, "by": said.by, "note": said.note}
        kind, words = "action", f"{said.about or folder.name}: noted, says {said.by}"
    elif said.about:
        raise UsageError(f"{said.about}: say what is done about it (--action, --owner, --retest)")
    else:
        data = {"by": said.by, "role": said.role, "note": said.note}
        kind, words = "signed", f"{folder.name}: signed by {said.by}"
    review(folder, time.time_ns(), kind, **data)
    report = debriefing.report(folder, None)
    return Ending(DONE, {"record": str(folder), "kind": kind, **data}, f"{words}\n{report.words}")


def _check_day(text: str) -> None:
    if not text:
        return
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise UsageError(f'--retest: "{text}" is not a day (try 2026-03-31)') from None
    if day < datetime.now(UTC).date():
        raise UsageError(f"--retest: {text} is past")
