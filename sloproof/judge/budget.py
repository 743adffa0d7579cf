"""What an incident like this run costs of an error budget, if it happened once in the window.

The run's share of bad requests and its length, at the declared traffic, against what the objective
allows over its whole window.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from sloproof.contracts import Duration, Window
from sloproof.judge.indicator import good_of, limit_ns, share, signal_of
from sloproof.judge.ratio import Count
from sloproof.judge.requests import Requests
from sloproof.judge.wording import SECOND, per_second, period
from sloproof.record.reader import Record
from sloproof.spec.objectives import Objective, SignalIndicator, Slo


@dataclass(frozen=True, slots=True)
class Spending:
    """The share of the budget that one such incident spends; None where nothing was counted.

    `of_one` is what a single bad request would weigh: what the run can't resolve. `bad` is how
    many requests would be bad at the declared traffic.
    """

    slo: str
    target: Fraction
    found: Count
    spent: Fraction | None
    of_one: Fraction | None
    bad: Fraction | None
    window: Duration
    traffic: str
    note: str


def spendings(record: Record, requests: Requests, slo: Slo, window: Window) -> tuple[Spending, ...]:
    """What this window spent of each objective's budget."""
    return tuple(_spending(record, requests, slo, each, window) for each in slo.objectives)


def _spending(
    record: Record, requests: Requests, slo: Slo, objective: Objective, window: Window
) -> Spending:
    target = share(slo.indicator, objective)
    found = count_of(record, requests, slo, objective, window)
    length = Fraction(window.end - window.begin, SECOND)
    allowed = (1 - target) * Fraction(slo.window.ns, SECOND)
    spent = of_one = bad = None
    if found.total and allowed:
        of_one = length / allowed / found.total
        spent = of_one * found.bad
        if slo.traffic is not None:
            bad = Fraction(found.bad, found.total) * length * slo.traffic.per_second
    return Spending(
        slo=slo.name,
        target=target,
        found=found,
        spent=spent,
        of_one=of_one,
        bad=bad,
        window=slo.window,
        traffic="" if slo.traffic is None else str(slo.traffic),
        note=_note(slo, found, length),
    )


def count_of(
    record: Record, requests: Requests, slo: Slo, objective: Objective, window: Window
) -> Count:
    """Good ones and all by one objective, whatever the indicator."""
    if isinstance(slo.indicator, SignalIndicator):
        return signal_of(record, slo.indicator, objective, window)
    return good_of(requests, slo.indicator, limit_ns(objective), window)


def _note(slo: Slo, found: Count, length: Fraction) -> str:
    once = f"if this incident happened once in {period(slo.window.ns)}"
    if slo.traffic is not None:
        return f"{once}, with the declared traffic of {slo.traffic}"
    if not found.total or not length:
        return once
    rate = per_second(found.total / length)
    return f"{once}, with traffic like the test's ({rate}): none is declared"
