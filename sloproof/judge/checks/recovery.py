"""The claim that a service is back in time, and with what it had acknowledged."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

from sloproof.contracts import (
    Check,
    Duration,
    Evidence,
    Finding,
    Number,
    Outcome,
    RecoveryName,
    Source,
)
from sloproof.judge.copies import still_dead
from sloproof.judge.faults import ProvenFault
from sloproof.judge.loss_words import Limits, loss_finding
from sloproof.judge.recovery import Recovery, recoveries
from sloproof.judge.study import faults_of, recovery_objective_named
from sloproof.judge.wording import after_warm_up, at, seconds, span, worst_first
from sloproof.model.verdict import worst
from sloproof.spec.objectives import RecoveryObjective


class RecoveryTime(Check):
    """After each fault the service is back within the RTO of `objective`, nothing lost by its RPO.

    An objective without an RPO says nothing of data.
    """

    kind = "recovery"
    sources = (Source.PROBES,)
    tolerances = MappingProxyType({"rto": Duration, "rpo": Duration})

    objective: RecoveryName

    def label(self) -> str:
        """The recovery objective's name."""
        return self.objective

    def reads(self, objectives: dict[str, Any]) -> tuple[Source, ...]:
        """Probes; the writes of the ledger as well, where the objective has an RPO."""
        objective = objectives.get(self.objective)
        has_rpo = isinstance(objective, RecoveryObjective) and objective.rpo is not None
        return (Source.PROBES, Source.WRITES) if has_rpo else self.sources

    def judge(self, evidence: Evidence) -> Finding:
        """The worse of both halves; the RPO's is judged as `data_loss` judges it."""
        objective = recovery_objective_named(evidence, self.objective)
        if objective is None:
            reason = f"there is no recovery objective named {self.objective}"
            return Finding(Outcome.INCONCLUSIVE, reason)
        found = self._in_time(evidence, objective)
        relaxed = evidence.tolerance.get("rpo")
        rpo = relaxed if isinstance(relaxed, Duration) else objective.rpo
        if rpo is None:
            return found
        limits = Limits(at_most=None, rpo=rpo.ns)
        lost = loss_finding(evidence, _about(evidence), limits)
        return Finding(
            worst((found.outcome, lost.outcome)),
            f"{found.reason}; {lost.reason}",
            (*found.numbers, *lost.numbers),
            (*found.notes, *lost.notes),
        )

    def _in_time(self, evidence: Evidence, objective: RecoveryObjective) -> Finding:
        """PASS if the upper end of every interval meets the RTO, FAIL if a lower end misses it.

        Good answers alone are no recovery while a copy that was there before is dead.
        """
        relaxed = evidence.tolerance.get("rto")
        rto = relaxed.ns if isinstance(relaxed, Duration) else objective.rto.ns
        faults = _about(evidence)
        if not faults:
            return Finding(Outcome.INCONCLUSIVE, "no fault was injected to recover from")
        if evidence.record.probe(objective.probe) is None:
            return Finding(Outcome.INCONCLUSIVE, f"probe {objective.probe} took no sample")
        found = recoveries(evidence.record, objective, faults, evidence.windows["run"])
        outcomes = [_outcome(each, rto) for each in found]
        outcome = worst(outcomes)
        telling = [e for e, o in zip(found, outcomes, strict=True) if o is outcome]
        zero = evidence.windows["run"].begin
        reason = worst_first(
            [_words(each, rto, zero) for each in sorted(telling, key=_worst)],
            passed=outcome is Outcome.PASS,
        )
        effects = [effect for fault in faults for effect in fault.facts.effects]
        dead = still_dead(evidence.record, effects)
        if dead and outcome is Outcome.PASS:
            outcome = Outcome.INCONCLUSIVE
            reason += f"; but {_listed(dead)} not brought back by the system: that is no recovery"
        return Finding(
            outcome,
            reason,
            (
                *(n for each in sorted(found, key=_worst) for n in _numbers(each, len(found) > 1)),
                Number("rto target", at(rto), "s"),
            ),
            tuple(note for each in found for note in _notes(each, objective.probe, zero)),
        )


def _about(evidence: Evidence) -> tuple[ProvenFault, ...]:
    """The faults of the run, or the one whose window it is."""
    name = evidence.window.name
    return tuple(
        fault
        for fault in faults_of(evidence)
        if not name.startswith("fault:") or f"fault:{fault.facts.fault}" == name
    )


def _listed(names: tuple[str, ...]) -> str:
    return f"{', '.join(names)} {'was' if len(names) == 1 else 'were'}"


def _outcome(found: Recovery, rto: int) -> Outcome:
    if found.low > rto:
        return Outcome.FAIL
    if found.high is not None and found.high <= rto and found.again is None:
        return Outcome.PASS
    return Outcome.INCONCLUSIVE


def _worst(found: Recovery) -> tuple[bool, int]:
    """Sorts the worst first: those never seen back, then those that may have taken longest."""
    return found.high is not None, -(found.low if found.high is None else found.high)


def _words(found: Recovery, rto: int, zero: int) -> str:
    origin = "its end" if found.counted_from == "fault_end" else "its beginning"
    about = f"after {' and '.join(found.faults)}, counted from {origin},"
    target = f"(RTO {seconds(rto)})"
    if found.censored_at is not None:
        return (
            f"{about} the service was not seen back to stay before "
            f"{after_warm_up(found.censored_at - zero)}, when the harness put things right or the "
            f"run ended: "
            f"it took {span(found.low, None)} {target}"
        )
    if not found.failed:
        return (
            f"{about} the probe was never down, so it took {span(found.low, found.high)} {target}"
        )
    straddles = found.high is not None and found.low <= rto < found.high
    advice = "; a shorter probing interval would tell" if straddles else ""
    left = ""
    if found.again is not None:
        left = f"; it failed again {after_warm_up(found.again - zero)}, so it was not back to stay"
    return (
        f"{about} the service was back after {span(found.low, found.high)} {target}{advice}{left}"
    )


def _numbers(found: Recovery, several: bool) -> tuple[Number, ...]:
    after = f" after {' and '.join(found.faults)}" if several else ""
    high = None if found.high is None else at(found.high)
    numbers = [Number(f"rto{after}", high, "s", at(found.low), high, ("rto target",))]
    if found.from_detection is not None:
        numbers.append(Number(f"from detection{after}", at(found.from_detection), "s"))
    return tuple(numbers)


def _notes(found: Recovery, probe: str, zero: int) -> tuple[str, ...]:
    if found.again is None:
        return ()
    return (f"probe {probe} failed again {after_warm_up(found.again - zero)}",)
