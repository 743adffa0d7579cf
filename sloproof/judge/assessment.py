"""An SLO's objectives against one window: the decision, in words and in numbers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

from sloproof.contracts import Duration, Evidence, Number, Outcome, Ratio
from sloproof.judge.indicator import good_of, latencies_of, limit_ns, share, signal_of
from sloproof.judge.quantile import at_ranks, lower_rank, rank, upper_rank
from sloproof.judge.ratio import (
    Count,
    Decision,
    as_number,
    in_words,
    of_the_system,
    of_this_run,
)
from sloproof.judge.study import requests_of
from sloproof.judge.wording import SECOND, percent, seconds
from sloproof.spec.objectives import (
    Objective,
    QuantileIndicator,
    RatioIndicator,
    SignalIndicator,
    Slo,
)


@dataclass(frozen=True, slots=True)
class Assessment:
    """What one objective came to in one window."""

    outcome: Outcome
    reason: str
    numbers: tuple[Number, ...]
    found: Count
    notes: tuple[str, ...] = ()


def assess(evidence: Evidence, slo: Slo) -> list[Assessment]:
    """Each objective of `slo` in the window of `evidence`, in their order."""
    return [_assess(evidence, slo, objective) for objective in slo.objectives]


def _assess(evidence: Evidence, slo: Slo, objective: Objective) -> Assessment:
    objective = _relaxed(objective, evidence)
    if isinstance(slo.indicator, QuantileIndicator):
        return _quantile(evidence, slo.indicator, objective)
    if isinstance(slo.indicator, SignalIndicator):
        return _signal(evidence, slo.indicator, objective)
    return _ratio(evidence, slo.indicator, objective)


def _ratio(evidence: Evidence, indicator: RatioIndicator, objective: Objective) -> Assessment:
    target = share(indicator, objective, _tolerated(evidence))
    found = good_of(requests_of(evidence), indicator, None, evidence.window)
    decision = _decide(evidence, found, target)
    number = as_number("good", found, evidence.confidence if evidence.general else None)
    reason = f"{in_words(found, 'request were good', target)}, which {decision.why}"
    if not found.total:
        reason = f"no request that counts fell into {evidence.window.name}"
    return Assessment(decision.outcome, reason, (number, *_counts(found, target)), found)


def _signal(evidence: Evidence, indicator: SignalIndicator, objective: Objective) -> Assessment:
    """Samples of one signal are not independent: they speak of this run, whatever is asked."""
    target = share(indicator, objective, _tolerated(evidence))
    found = signal_of(evidence.record, indicator, objective, evidence.window)
    decision = of_this_run(found, target)
    reason = (
        f"{indicator.signal}: {in_words(found, 'sample met the bound', target)}, "
        f"which {decision.why}"
    )
    if not found.total:
        reason = f"{indicator.signal} has no sample in {evidence.window.name}"
    notes = ("samples of a signal depend on each other: judged for this run",)
    return Assessment(
        decision.outcome,
        reason,
        (replace(as_number("good", found), limits=("target",)), *_counts(found, target, "samples")),
        found,
        notes if evidence.general else (),
    )


def _quantile(evidence: Evidence, indicator: QuantileIndicator, objective: Objective) -> Assessment:
    """The q-quantile meets the limit where a share of at least q does, and only there."""
    target = share(indicator, objective, _tolerated(evidence))
    limit = limit_ns(objective)
    requests, window = requests_of(evidence), evidence.window
    found = good_of(requests, indicator, limit, window)
    name = f"p{percent(target).removesuffix('%')}"
    if not found.total or limit is None:
        reason = f"no request that counts fell into {window.name}"
        nothing = (Number(name, None, "s"), *_counts(found, target))
        return Assessment(Outcome.INCONCLUSIVE, reason, nothing, found)
    decision = _decide(evidence, found, target)
    number, value = _order_statistic(evidence, indicator, target, name)
    reached = "is unbounded (too many failed)" if value is None else f"is {seconds(value)}"
    reason = (
        f"{name} {reached} with a limit of {seconds(limit)}: "
        f"{in_words(found, 'request stayed within it', target)}, which {decision.why}"
    )
    notes = ("latency_of: good leaves failed requests out",) * (indicator.latency_of == "good")
    limited = (number, *_counts(found, target), Number("limit", limit / SECOND, "s"))
    return Assessment(decision.outcome, reason, limited, found, notes)


def _order_statistic(
    evidence: Evidence, indicator: QuantileIndicator, quantile: Fraction, name: str
) -> tuple[Number, int | None]:
    values = latencies_of(requests_of(evidence), indicator, evidence.window)
    total = len(values)
    low = high = None
    if evidence.general:
        low = lower_rank(total, quantile, evidence.confidence)
        high = upper_rank(total, quantile, evidence.confidence)
    middle = rank(total, quantile)
    ranks = [position for position in (low, middle, high) if position is not None]
    found = dict(zip(ranks, at_ranks(values, *ranks), strict=True))

    def second(position: int | None) -> float | None:
        value = None if position is None else found[position]
        return None if value is None else value / SECOND

    return Number(
        name, second(middle), "s", low=second(low), high=second(high), limits=("limit",)
    ), found[middle]


def _decide(evidence: Evidence, found: Count, target: Fraction) -> Decision:
    if evidence.general:
        return of_the_system(found, target, evidence.confidence)
    return of_this_run(found, target)


def _counts(found: Count, target: Fraction, noun: str = "requests") -> tuple[Number, ...]:
    return (
        Number(noun, found.total, "count"),
        Number("bad", found.bad, "count"),
        Number("target", float(target), "ratio"),
    )


def _tolerated(evidence: Evidence) -> Fraction | None:
    target = evidence.tolerance.get("target")
    return target.value if isinstance(target, Ratio) else None


def _relaxed(objective: Objective, evidence: Evidence) -> Objective:
    limit = evidence.tolerance.get("limit")
    if isinstance(limit, Duration):
        return replace(objective, limit=Fraction(limit.ns, SECOND))
    return objective
