"""The claim that all is well at the end."""

from __future__ import annotations

from typing import ClassVar

from sloproof.contracts import Check, Duration, Evidence, Finding, Outcome, Source, Window
from sloproof.judge.checks.steady_state import probe_part
from sloproof.judge.facts import own_probes
from sloproof.model.verdict import worst


class Settled(Check):
    """At the end of the run the target's `probes` (or all of them) were good for `stable_for`."""

    kind = "settled"
    sources = (Source.PROBES,)
    windowed: ClassVar[bool] = False

    stable_for: Duration = Duration(10_000_000_000)
    probes: tuple[str, ...] = ()

    def judge(self, evidence: Evidence) -> Finding:
        """Every probe on its own over the last `stable_for`; the worst of them counts."""
        run = evidence.windows["run"]
        names = self.probes or tuple(own_probes(evidence.record))
        if run.end - run.begin < self.stable_for.ns:
            reason = f"the run was shorter than {self.stable_for}"
            return Finding(Outcome.INCONCLUSIVE, reason)
        last = Window(f"the last {self.stable_for}", run.end - self.stable_for.ns, run.end)
        found = [probe_part(evidence.record, name, last) for name in names]
        outcome = worst(each for each, _, _ in found)
        telling = [reason for each, reason, _ in found if each is outcome]
        reason = "; ".join(telling) or "the target has no probe"
        numbers = tuple(number for _, _, numbers in found for number in numbers)
        return Finding(outcome, f"in {last.name}: {reason}", numbers)
