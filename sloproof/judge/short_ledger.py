"""Before a run: whether its ledger will be long and dense enough for an RPO."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from sloproof.contracts import Duration
from sloproof.judge.losses import LEAST_LENGTH, WIDEST_GAP
from sloproof.judge.wording import per_second, seconds
from sloproof.spec.experiment import Experiment, Line
from sloproof.spec.objectives import RecoveryObjective

SECOND = 1_000_000_000
MARGIN = 2
"""So many times as wide as planned a gap may come out."""


def short_ledger(line: Line, experiment: Experiment, objectives: dict[str, Any]) -> str:
    """Why the ledger as planned can't show the RPO of a line, and what would do; "" if it can.

    Writes are due from the beginning of the baseline, and a fault that waits for another is taken
    to come at once. Acknowledgements come a little later than writes are due, and not as evenly: a
    plan that fits exactly would be refuted by the run.
    """
    ledger, rpo = experiment.ledger, _rpo(line, objectives)
    name = str(getattr(line.check, "ledger", ""))
    if ledger is None or (name and name != ledger.name):
        kept = "none" if ledger is None else ledger.name
        return f"it is about ledger {name}, but the experiment keeps {kept}"
    if rpo is None:
        return ""
    strikes = [
        experiment.baseline.ns if plan.at is None else plan.at.ns
        for plan in experiment.faults
        if plan.fault.points_at != "load"
    ]
    if not strikes:
        return "an RPO counts from a fault, but the experiment has none"
    least, widest = rpo * LEAST_LENGTH, rpo * WIDEST_GAP / MARGIN
    every = Fraction(SECOND) / ledger.rate.per_second
    if min(strikes) < least + MARGIN * every:
        return (
            f"the first fault comes {seconds(min(strikes))} after the ledger begins, where an RPO "
            f"of {seconds(rpo)} takes {seconds(int(least))} of writes"
        )
    if every > widest:
        return (
            f"a ledger at {ledger.rate} leaves wider gaps than an RPO of {seconds(rpo)} allows: "
            f"{per_second(SECOND / widest)} would do"
        )
    return ""


def _rpo(line: Line, objectives: dict[str, Any]) -> int | None:
    """The RPO that a line is judged by, in nanoseconds."""
    relaxed = line.tolerance.get("rpo")
    objective = objectives.get(str(getattr(line.check, "objective", "")))
    own = objective.rpo if isinstance(objective, RecoveryObjective) else None
    found = relaxed or own or getattr(line.check, "rpo", None)
    return found.ns if isinstance(found, Duration) else None
