"""The verdict in one sentence: what was broken, what users met, whether the claims held.

Reasons stand with the claims; here is what somebody should know who reads nothing else.
"""

from __future__ import annotations

from collections import Counter

import numpy as np

from sloproof.contracts import Outcome
from sloproof.judge.case import Case, changes_load
from sloproof.judge.wording import count, listed
from sloproof.model.verdict import Claim
from sloproof.record.schema import RequestOutcome


def sentence(case: Case, outcome: Outcome, claims: tuple[Claim, ...]) -> str:
    """The sentence, beginning with the outcome."""
    if not claims:
        return f"{outcome}: nothing was claimed."
    return f"{outcome}: {_broken(case)}, {_met(case)}{_held(case, outcome, claims)}."


def _broken(case: Case) -> str:
    """What went wrong on purpose, each kind of trouble once, with all the places it struck."""
    places: dict[tuple[str, str], dict[str, None]] = {}
    times = Counter(fault.facts.fault for fault in case.faults)
    for fault in case.faults:
        kind = fault.facts.kind.replace("_", " ") or "a fault"
        where = places.setdefault((fault.facts.fault, kind), {})
        where.update(dict.fromkeys(place for place in fault.facts.where.split(", ") if place))
    parts = []
    for (fault_name, kind), where in places.items():
        often = f" ({times[fault_name]} times)" if times[fault_name] > 1 else ""
        parts.append(f"{kind} on {listed([*where])}{often}" if where else f"{kind}{often}")
    parts += [
        str(plan.fault.kind).replace("_", " ")
        for plan in case.experiment.faults
        if changes_load(plan)
    ]
    if parts:
        return f"with {listed(parts)}"
    return "no fault was injected" if case.experiment.faults else "with nothing broken"


def _met(case: Case) -> str:
    """How many requests of the run failed; nothing where the run had none."""
    total = bad = 0
    fails = np.array([sort.outcome is not RequestOutcome.OK for sort in case.requests.sorts])
    for chunk, rows in case.requests.rows(case.run):
        sorts = chunk.sort[rows]
        total += len(sorts)
        bad += int(np.count_nonzero(fails[sorts]))
    if not total:
        return ""
    return f"{bad or 'none'} of {count(total, 'request')} failed and "


def _held(case: Case, outcome: Outcome, claims: tuple[Claim, ...]) -> str:
    telling = [claim for claim in claims if claim.finding.outcome is outcome]
    if outcome is Outcome.PASS:
        held = "the claim" if len(claims) == 1 else f"all {len(claims)} claims"
        return f"{held} held{' in this run' if case.faulted else ''}"
    if len(telling) == len(claims) > 1:
        failed = f"all {len(claims)} claims failed"
        undecided = f"none of the {len(claims)} claims can be decided"
        return f"{failed if outcome is Outcome.FAIL else undecided}{_unproven(telling)}"
    verb = "failed" if outcome is Outcome.FAIL else "can't be decided"
    names = listed([claim.id for claim in telling])
    return f"{len(telling)} of {count(len(claims), 'claim')} {verb}: {names}{_unproven(telling)}"


def _unproven(telling: list[Claim]) -> str:
    return " (not shown to be the fault's doing)" if telling[0].unattributed else ""
