"""A verdict in a few lines, for a terminal."""

from __future__ import annotations

from sloproof.model.verdict import Verdict
from sloproof.report.figures import figures
from sloproof.report.words import clean, sentence

MARKS = {"PASS": "✓", "FAIL": "✗", "INCONCLUSIVE": "?"}


def summary_text(verdict: Verdict) -> list[str]:
    """The verdict's sentence, a line for each claim, what weakens it, what the load had to say.

    No markup. The sentence doesn't repeat the reasons, which stand with the claims.
    """
    lines = [f"{verdict.outcome.value}  {_line(verdict.experiment)}: {_line(sentence(verdict))}"]
    for claim in verdict.claims:
        outcome = claim.finding.outcome.value
        fate = f"{outcome} (unattributed)" if claim.unattributed else outcome
        lines.append(
            f"  {MARKS[outcome]} {fate:<12}  {_line(claim.id)}: {_line(claim.finding.reason)}"
        )
    lines += [f"  ! evidence: {_line(text)}" for text in verdict.evidence]
    lines += [f"  ! attribution: {_line(text)}" for text in verdict.attribution]
    load = figures(verdict).load
    lines += [f"  · load: {_line(text)}" for text in (load.notices if load else ())]
    return lines


def _line(text: str) -> str:
    """`text` on one line, without anything a terminal would obey."""
    return " ".join(clean(text).split())
