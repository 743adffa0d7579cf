"""A verdict as Markdown: short enough for a pull request's comment or a CI job's page."""

from __future__ import annotations

import re

from sloproof.judge.drill import SuiteVerdict
from sloproof.model.verdict import Outcome, Verdict
from sloproof.record.reader import Record
from sloproof.record.suite import SuiteRecord
from sloproof.report.sections import ClaimRow, claim_row
from sloproof.report.words import NOTHING, clean, sentence

SHAPES = {Outcome.PASS: "✅", Outcome.FAIL: "❌", Outcome.INCONCLUSIVE: "🔶"}
MOST_CLAIMS = 50
_SAFE_CODE = re.compile(r"[\w:@./→ -]+")


def markdown(record: Record, verdict: Verdict) -> str:
    """The sentence, a table of the claims, what weakens the verdict, and where it comes from."""
    lines = [
        f"### {SHAPES[verdict.outcome]} {verdict.outcome.value}: {_text(verdict.experiment)}",
        "",
        _text(sentence(verdict)),
        "",
    ]
    if verdict.claims:
        lines += ["| | Claim | Required | Measured | Why |", "|---|---|--:|--:|---|"]
        lines += [_row(row) for row in map(claim_row, verdict.claims[:MOST_CLAIMS])]
        if len(verdict.claims) > MOST_CLAIMS:
            lines.append(f"\n{len(verdict.claims) - MOST_CLAIMS} more claims are in the report.")
        lines.append("")
    if verdict.evidence or verdict.attribution:
        lines += ["**What weakens this verdict**", ""]
        lines += [f"- {_text(text)}" for text in (*verdict.evidence, *verdict.attribution)]
        lines.append("")
    sealed = "sealed" if record.sealed else "**not sealed**"
    lines.append(
        f"<sub>Run {_code(verdict.run)}, record {_code(record.folder.name)}, {sealed}</sub>"
    )
    return "\n".join(lines) + "\n"


def drill_markdown(record: SuiteRecord, verdict: SuiteVerdict) -> str:
    """A drill's verdict, a table of its steps and general claims, and what weakens it."""
    lines = [
        f"### {SHAPES[verdict.outcome]} {verdict.outcome.value}: {_text(verdict.suite)}",
        "",
        _text(sentence(verdict)),
        "",
        "| | Step | What | Why |",
        "|---|---|---|---|",
    ]
    told = [
        (step.outcome, step.label, step.kind, ": ".join(filter(None, [step.reason, step.note])))
        for step in verdict.steps
    ]
    told += [
        (claim.finding.outcome, claim.id, "in general", claim.finding.reason)
        for claim in verdict.across
    ]
    lines += [
        f"| {SHAPES[o]} {o.value} | {_code(name)} | {kind} | {_text(why)} |"
        for o, name, kind, why in told
    ]
    weak = [*verdict.evidence]
    weak += [f"{each.step}: {each.what}".removeprefix(": ") for each in verdict.deviations]
    if weak:
        lines += ["", "**What weakens this verdict**", "", *(f"- {_text(text)}" for text in weak)]
    sealed = "sealed" if record.sealed else "**not sealed**"
    where = f"Run {_code(verdict.run)}, record {_code(record.folder.name)}, {sealed}"
    return "\n".join([*lines, "", f"<sub>{where}</sub>"]) + "\n"


def _row(row: ClaimRow) -> str:
    outcome = f"{SHAPES[row.outcome]} {row.outcome.value}"
    measured = f"{_text(row.measured)}<br>{_text(row.bounds)}" if row.bounds else row.measured
    why = _text(row.reason) + (" (unattributed)" if row.unattributed else "")
    cells = (outcome, _code(row.id), _text(row.required), measured, why)
    return "| " + " | ".join(cells) + " |"


def _text(text: str) -> str:
    """Prose in which nothing is markup, a link or a mention, on one line."""
    flat = " ".join(clean(text).split())
    escaped = re.sub(r"[\\`*_{}\[\]<>#|~&!]", lambda found: f"&#{ord(found[0])};", flat)
    return escaped.replace("@", "@\u200b").replace("://", ":&#8203;//") or NOTHING


def _code(text: str) -> str:
    """An id as code, where it is one; in code nothing is markup but backticks and bars."""
    return f"`{text}`" if _SAFE_CODE.fullmatch(text) else _text(text)
