"""The claim that a service level objective holds."""

from __future__ import annotations

from fractions import Fraction
from types import MappingProxyType
from typing import Any

from sloproof.contracts import Check, Duration, Evidence, Finding, Outcome, Ratio, SloName, Source
from sloproof.judge.assessment import assess
from sloproof.judge.indicator import share, source_of
from sloproof.judge.ratio import least_samples
from sloproof.judge.study import slo_named
from sloproof.model.verdict import worst
from sloproof.spec.objectives import SignalIndicator, Slo

CONFIDENCE = Fraction(95, 100)


class ServiceLevel(Check):
    """Every objective of the SLO `slo` is met in the window."""

    kind = "slo"
    sources = (Source.REQUESTS,)
    tolerances = MappingProxyType({"target": Ratio, "limit": Duration})

    slo: SloName

    def label(self) -> str:
        """The SLO's name."""
        return self.slo

    def reads(self, objectives: dict[str, Any]) -> tuple[Source, ...]:
        """Requests, or the signal that the indicator samples."""
        slo = objectives.get(self.slo)
        return (source_of(slo.indicator),) if isinstance(slo, Slo) else self.sources

    def needed(self, objectives: dict[str, Any]) -> int:
        """1/(1 − target) of them for a word about this run."""
        return self.least(objectives, general=False, confidence=CONFIDENCE)

    def least(self, objectives: dict[str, Any], *, general: bool, confidence: Fraction) -> int:
        """The samples it takes at least, for a word about this run or about the system."""
        slo = objectives.get(self.slo)
        if not isinstance(slo, Slo):
            return 1
        signal = isinstance(slo.indicator, SignalIndicator)
        return max(
            (
                least_samples(
                    share(slo.indicator, objective),
                    general=general and not signal,
                    confidence=confidence,
                )
                for objective in slo.objectives
            ),
            default=1,
        )

    def judge(self, evidence: Evidence) -> Finding:
        """The worst of its objectives, each with its reason."""
        slo = slo_named(evidence, self.slo)
        if slo is None:
            return Finding(Outcome.INCONCLUSIVE, f"there is no SLO named {self.slo}")
        found = assess(evidence, slo)
        outcome = worst(each.outcome for each in found)
        telling = [each for each in found if each.outcome is outcome] or found
        return Finding(
            outcome,
            "; ".join(each.reason for each in telling) or f"{self.slo} has no objective",
            tuple(number for each in found for number in each.numbers),
            tuple(dict.fromkeys(note for each in found for note in each.notes)),
        )
