"""General claims across faults: the run is the sample.

Requests of one outage are not independent, runs are. Each run has met the claim or not; bounds
on the share of such runs, after Clopper and Pearson, decide.
"""

from __future__ import annotations

from collections.abc import Sequence

from sloproof.judge.clopper_pearson import (
    lower_bound,
    refuted,
    samples_that_would_do,
    samples_without_failure,
    shown,
    upper_bound,
)
from sloproof.judge.wording import count
from sloproof.model.verdict import Claim, Finding, Number, Outcome
from sloproof.spec.suite import Across, Suite


def across_claim(line: Across, outcomes: Sequence[Outcome]) -> Claim:
    """The claim judged by what came of it in each run.

    A run that can't tell counts against the claim when it is to be shown, and for it when it is to
    be refuted.
    """
    finding = _finding(line, outcomes)
    return Claim(f"general:{line.step}/{line.claim}", "across", "all runs", finding)


def _finding(line: Across, outcomes: Sequence[Outcome]) -> Finding:
    target, confidence = line.at_least.value, line.confidence.value
    total = len(outcomes)
    held, undecided = outcomes.count(Outcome.PASS), outcomes.count(Outcome.INCONCLUSIVE)
    seen = f"it held in {held} of {count(total, 'run')}"
    seen += f", and {undecided} can't tell" if undecided else ""
    low = float(lower_bound(held, total, confidence))
    high = float(upper_bound(held + undecided, total, confidence))
    share = Number(
        "share of runs", held / total if total else None, "ratio", low, high, ("at least",)
    )
    numbers = (share, Number("at least", float(target), "ratio"), Number("runs", total, "count"))
    words = f"{seen}; at {line.confidence} confidence that is at least {low:.1%}"
    if shown(held, total, target, confidence):
        return Finding(Outcome.PASS, f"{words}, and {line.at_least} is asked for", numbers)
    if refuted(held + undecided, total, target, confidence):
        reason = f"{seen}; at {line.confidence} confidence that is at most {high:.1%}, and "
        return Finding(Outcome.FAIL, f"{reason}{line.at_least} is asked for", numbers)
    enough = samples_that_would_do(held, total, target, confidence) if total else None
    advice = f"; about {count(enough, 'run')} would do" if enough else ""
    reason = f"{words}, which neither shows nor refutes {line.at_least}{advice}"
    return Finding(Outcome.INCONCLUSIVE, reason, numbers)


def too_few_runs(suite: Suite) -> list[str]:
    """Why a general claim could not be decided even if every run met it; empty if all could."""
    times = {step.name: step.times for step in suite.steps}
    found: list[str] = []
    for line in suite.verify:
        needed = samples_without_failure(line.at_least.value, line.confidence.value)
        planned = times.get(line.step, 0)
        if planned < needed:
            found.append(
                f"{suite.name}: {line.step}/{line.claim}: {count(planned, 'run')} can't show "
                f"{line.at_least} at {line.confidence} confidence: {needed} that all meet it would "
                f"(times: {needed})"
            )
    return found
