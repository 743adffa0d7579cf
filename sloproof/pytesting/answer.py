"""What `sloproof run FILE --json` answered, and how it is told in a few lines of text."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sloproof.model.verdict import Number

LAST_LINES = 20
PASS, FAIL, INCONCLUSIVE, ERROR = "PASS", "FAIL", "INCONCLUSIVE", "ERROR"
LACKING = "LACKING"
"""An error for want of something that this host or platform doesn't have."""


@dataclass(frozen=True, slots=True)
class Judged:
    """One claim's outcome, with its reason and its numbers as they came."""

    id: str
    outcome: str
    reason: str
    numbers: tuple[Mapping[str, Any], ...]
    notes: tuple[str, ...]
    unattributed: bool


@dataclass(frozen=True, slots=True)
class Answer:
    """The end of one run. `exit_status` is the engine's, by the table of the command line.

    `lacking` means that it failed for want of a capability of the platform or the host.
    """

    exit_status: int
    outcome: str
    experiment: str
    sentence: str
    record: str
    report: str
    trouble: str
    unreverted: tuple[str, ...]
    lacking: bool
    claims: Mapping[str, Judged]


def read_answer(returncode: int | None, stdout: str, stderr: str) -> Answer:
    """The answer of a child that ended with `returncode`, None where it hasn't ended.

    One that ended otherwise than the table says, or without an object, is an error (4); of one
    that is still there nobody knows what it left behind (5).
    """
    body = _object(stdout)
    status = _status(returncode, body)
    body = body or {}
    trouble = str(body.get("error") or body.get("reason") or "")
    if status >= 4 and not trouble:
        trouble = f"{_end(returncode)}\n{_tail(stderr)}".strip()
    claims = [_judged(each) for each in body.get("claims") or ()]
    return Answer(
        exit_status=status,
        outcome=str(body.get("outcome") or ERROR),
        experiment=str(body.get("experiment") or ""),
        sentence=str(body.get("sentence") or ""),
        record=str(body.get("record") or ""),
        report=str(body.get("report") or ""),
        trouble=trouble,
        unreverted=tuple(map(str, body.get("unreverted") or ())),
        lacking=bool(body.get("lacking")),
        claims={claim.id: claim for claim in claims},
    )


def explain(claim: Judged, answer: Answer) -> str:
    """Why a claim did not pass: its reason, its numbers, and where to read more."""
    lines = [f"{claim.id}: {claim.outcome}: {claim.reason}"]
    lines += [f"  {number['name']}: {_figure(number)}" for number in claim.numbers]
    lines += [f"  {note}" for note in claim.notes]
    if claim.unattributed:
        lines.append("  (unattributed: it was observed, but the fault was not proven)")
    return "\n".join([*lines, *_where(answer)])


def explain_trouble(answer: Answer) -> str:
    """Why a run could not be judged or was refused."""
    return "\n".join([answer.trouble or answer.sentence or "no reason given", *_where(answer)])


def explain_unreverted(answer: Answer) -> str:
    """What was left behind, and how to put it back."""
    lines = [f"sloproof could not revert everything ({answer.experiment}):"]
    lines += [f"  {each}" for each in answer.unreverted or (answer.trouble,)]
    return "\n".join([*lines, "  run `sloproof recover`", *_where(answer)])


def numbers(answer: Answer) -> Iterator[tuple[str, str]]:
    """Every number of the run by the name `claim.number`, for JUnit's properties."""
    for claim in answer.claims.values():
        yield f"{claim.id}.outcome", claim.outcome
        for number in claim.numbers:
            unit = f" [{number['unit']}]" if number.get("unit") else ""
            yield f"{claim.id}.{number['name']}{unit}", str(number.get("value"))


def _judged(body: Mapping[str, Any]) -> Judged:
    return Judged(
        id=str(body["id"]),
        outcome=str(body["outcome"]),
        reason=str(body.get("reason") or ""),
        numbers=tuple(body.get("numbers") or ()),
        notes=tuple(map(str, body.get("notes") or ())),
        unattributed=bool(body.get("unattributed")),
    )


def _figure(number: Mapping[str, Any]) -> str:
    from sloproof.report import words

    shown = Number(**number)
    around = words.bounds(shown)
    return f"{words.number(shown)} ({around})" if around else words.number(shown)


def _where(answer: Answer) -> list[str]:
    places = [("report", answer.report), ("record", "" if answer.report else answer.record)]
    return [f"  {name}: {place}" for name, place in places if place]


def _object(stdout: str) -> dict[str, Any] | None:
    try:
        found = json.loads(stdout)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _status(returncode: int | None, body: dict[str, Any] | None) -> int:
    if returncode is None:
        return 5
    return returncode if body is not None and returncode in range(6) else 4


def _end(returncode: int | None) -> str:
    if returncode is None:
        return "the engine was interrupted and is still reverting; see `sloproof status`"
    if returncode < 0:
        return f"the engine was killed by signal {-returncode}"
    return f"the engine ended with status {returncode} and without an answer"


def _tail(text: str) -> str:
    return "\n".join(text.strip().splitlines()[-LAST_LINES:])
