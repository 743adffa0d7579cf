"""The claim that all was well before anything was done."""

from __future__ import annotations

from fractions import Fraction
from types import MappingProxyType
from typing import Any, ClassVar

from sloproof.contracts import (
    Check,
    Duration,
    Evidence,
    Finding,
    Number,
    Outcome,
    Ratio,
    SloName,
    Source,
    Window,
)
from sloproof.judge.assessment import assess
from sloproof.judge.facts import own_probes
from sloproof.judge.ratio import Count, as_number
from sloproof.judge.study import slo_named
from sloproof.judge.wording import percent
from sloproof.model.verdict import worst
from sloproof.record.reader import Record
from sloproof.spec.objectives import SignalIndicator, Slo

GOOD = Fraction(99, 100)
"""The least share of good samples of a probe in a steady state."""

Part = tuple[Outcome, str, tuple[Number, ...]]


class SteadyState(Check):
    """Before the faults the objectives of `slo` (or of all SLOs) hold and all probes are good."""

    kind = "steady_state"
    tolerances = MappingProxyType({"target": Ratio, "limit": Duration})
    home: ClassVar[str] = "baseline"
    """The window it looks at where the line names none."""

    slo: SloName = ""

    def label(self) -> str:
        """The SLO's name, if it is about one."""
        return self.slo

    def reads(self, objectives: dict[str, Any]) -> tuple[Source, ...]:
        """Requests where an SLO over requests is named; else whatever there is."""
        slo = objectives.get(self.slo)
        if not isinstance(slo, Slo):
            return ()
        signal = isinstance(slo.indicator, SignalIndicator)
        return (Source.SIGNALS if signal else Source.REQUESTS,)

    def judge(self, evidence: Evidence) -> Finding:
        """Every objective and every probe on its own; the worst of them counts."""
        slos = [slo for slo in evidence.objectives.values() if isinstance(slo, Slo)]
        if self.slo:
            named = slo_named(evidence, self.slo)
            if named is None:
                return Finding(Outcome.INCONCLUSIVE, f"there is no SLO named {self.slo}")
            slos = [named]
        elif not evidence.record.has("requests"):
            slos = [slo for slo in slos if isinstance(slo.indicator, SignalIndicator)]
        found: list[Part] = [
            (each.outcome, f"{slo.name}: {each.reason}", each.numbers)
            for slo in sorted(slos, key=lambda slo: slo.name)
            for each in assess(evidence, slo)
        ]
        found += _probes(evidence)
        if not found:
            reason = f"nothing was measured in {evidence.window.name}"
            return Finding(Outcome.INCONCLUSIVE, reason)
        outcome = worst(each for each, _, _ in found)
        telling = [reason for each, reason, _ in found if each is outcome]
        numbers = tuple(number for _, _, numbers in found for number in numbers)
        return Finding(outcome, "; ".join(telling), numbers)


def _probes(evidence: Evidence) -> list[Part]:
    """The target's own probes; a witness tells of its fault."""
    record = evidence.record
    return [probe_part(record, name, evidence.window) for name in own_probes(record)]


def probe_part(record: Record, name: str, window: Window) -> Part:
    """Whether a probe was good in a window; INCONCLUSIVE where it took no sample there."""
    samples = record.probe(name)
    if samples is None:
        return Outcome.INCONCLUSIVE, f"probe {name} took no sample", ()
    inside = (samples.intended >= window.begin) & (samples.intended < window.end)
    seen = Count(int((samples.ok & inside).sum()), int(inside.sum()))
    if seen.ratio is None:
        return Outcome.INCONCLUSIVE, f"probe {name} took no sample", ()
    outcome = Outcome.PASS if seen.ratio >= GOOD else Outcome.FAIL
    words = f"probe {name}: {percent(seen.ratio, beside=GOOD)} of {seen.total:,} samples good"
    return outcome, words, (as_number(f"probe {name}", seen),)
