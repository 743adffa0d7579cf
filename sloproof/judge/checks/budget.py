"""The claim that an incident like this one leaves enough of the error budget."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

from sloproof.contracts import Check, Evidence, Finding, Number, Outcome, Ratio, SloName, Source
from sloproof.judge.budget import Spending, spendings
from sloproof.judge.indicator import source_of
from sloproof.judge.study import requests_of, slo_named
from sloproof.judge.wording import count, percent
from sloproof.model.verdict import worst
from sloproof.spec.objectives import Slo


class Budget(Check):
    """An incident like this, once in the window of `slo`, spends `at_most` of its error budget."""

    kind = "budget"
    sources = (Source.REQUESTS,)
    tolerances = MappingProxyType({"at_most": Ratio})

    slo: SloName
    at_most: Ratio

    def label(self) -> str:
        """The SLO's name."""
        return self.slo

    def reads(self, objectives: dict[str, Any]) -> tuple[Source, ...]:
        """Requests, or the signal that the indicator samples."""
        slo = objectives.get(self.slo)
        return (source_of(slo.indicator),) if isinstance(slo, Slo) else self.sources

    def judge(self, evidence: Evidence) -> Finding:
        """By the share spent in the window; too few requests to resolve it show nothing."""
        slo = slo_named(evidence, self.slo)
        if slo is None:
            return Finding(Outcome.INCONCLUSIVE, f"there is no SLO named {self.slo}")
        relaxed = evidence.tolerance.get("at_most")
        limit = relaxed if isinstance(relaxed, Ratio) else self.at_most
        found = spendings(evidence.record, requests_of(evidence), slo, evidence.window)
        outcomes = [_outcome(each, limit) for each in found]
        outcome = worst(outcomes)
        telling = [e for e, o in zip(found, outcomes, strict=True) if o is outcome]
        return Finding(
            outcome,
            "; ".join(_words(each, limit) for each in telling),
            (
                *(number for each in found for number in _numbers(each)),
                Number("at most", float(limit), "ratio"),
            ),
        )


def _outcome(found: Spending, limit: Ratio) -> Outcome:
    if found.spent is None or found.of_one is None:
        return Outcome.INCONCLUSIVE
    if found.spent > limit.value:
        return Outcome.FAIL
    return Outcome.INCONCLUSIVE if found.of_one > limit.value else Outcome.PASS


def _words(found: Spending, limit: Ratio) -> str:
    if found.spent is None or found.of_one is None:
        return f"nothing was counted, or {percent(found.target)} leaves no budget to spend"
    bad = f"{found.found.bad:,} bad of {count(found.found.total, 'request')}"
    words = (
        f"{found.note}: {bad} spend {percent(found.spent, beside=limit.value)} of the budget of "
        f"{percent(found.target)} (at most {limit})"
    )
    if found.spent <= limit.value < found.of_one:
        words += f", but one bad request alone would have spent {percent(found.of_one)}: too few"
    return words


def _numbers(found: Spending) -> tuple[Number, ...]:
    spent = None if found.spent is None else float(found.spent)
    numbers = [
        Number("spent", spent, "ratio", limits=("at most",)),
        Number("bad", found.found.bad, "count"),
    ]
    if found.bad is not None:
        numbers.append(Number("bad at the declared traffic", float(found.bad), "count"))
    return tuple(numbers)
