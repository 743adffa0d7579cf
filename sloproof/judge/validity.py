"""What makes a record prove less than it shows: broken evidence, broken attribution.

Broken evidence leaves the claims that rest on it INCONCLUSIVE, whatever was seen. Broken
attribution allows no PASS; an observed FAIL stays, marked as unattributed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction

from sloproof.contracts import Finding, Outcome, Source, Window
from sloproof.contracts.check import PROBED
from sloproof.judge.agreement import contradiction, outages
from sloproof.judge.assessment import assess
from sloproof.judge.case import Case, changes_load
from sloproof.judge.clopper_pearson import refuted
from sloproof.judge.copies import unaccounted
from sloproof.judge.facts import effects_of
from sloproof.judge.faults import ProvenFault
from sloproof.judge.ledger import Ledger
from sloproof.judge.probed import met_by
from sloproof.judge.sources import CARRIED, recoveries_named, slos_named
from sloproof.judge.study import Study
from sloproof.spec.objectives import RecoveryObjective

CONFIDENCE = Fraction(95, 100)
GRACE = 1_000_000_000
"""So much of a window may lack requests, as arrivals are not dense."""
AT_THE_END = 2_000_000_000
"""The end of a run, where who is served is served again."""
TOLD_BY = {"stopped": "stop", "interrupted": "interrupted", "failed": "harness.error"}
"""By which event a run that did not come to its end has said why already."""


@dataclass(frozen=True, slots=True)
class Doubt:
    """One thing that was broken. It touches claims that read one of `sources` (None: every claim).

    `since` is when it began to matter: a window that ended before is not touched. Of probes, those
    in `but_for` were not touched either.
    """

    text: str
    sources: frozenset[Source] | None = None
    since: int | None = None
    but_for: frozenset[str] = frozenset()

    def touches(self, reads: tuple[Source, ...], probes: frozenset[str], window: Window) -> bool:
        """Whether a claim that reads these sources, of them these probes, rests on that."""
        if self.since is not None and window.end <= self.since:
            return False
        if self.sources is None:
            return True
        touched = self.sources & set(reads)
        return bool(touched - {Source.PROBES} if probes & self.but_for else touched)


def evidence_doubts(case: Case) -> tuple[Doubt, ...]:
    """What was wrong with the measuring itself."""
    found = []
    if not case.record.sealed:
        found.append(Doubt("the record has no seal: only its readable beginning was judged"))
    if case.record.torn:
        found.append(Doubt("the last event of the record is torn"))
    found += [Doubt(str(jump)) for jump in case.jumps]
    if case.load is not None and not case.load.adequate:
        found.append(Doubt(case.load.reason, frozenset({Source.REQUESTS})))
    own = {probe.name for probe in case.own_probes}
    reasons = [probe.reason for probe in case.probes if probe.reason and probe.probe in own]
    reasons += [contradiction(case, probe) for probe in case.own_probes]
    found += [Doubt(reason, PROBED) for reason in reasons if reason]
    lacking = [signal.reason for signal in case.signals if signal.reason]
    found += [Doubt(reason, frozenset({Source.SIGNALS})) for reason in lacking]
    ledger = Ledger.of(case.record)
    wrong = () if ledger is None else ledger.wrong
    found += [Doubt(reason, frozenset({Source.WRITES})) for reason in wrong]
    return tuple(found)


def attribution_doubts(case: Case) -> tuple[Doubt, ...]:
    """Why what was seen may not be the faults' doing."""
    since = case.first_fault
    doubts = [
        *_interruptions(case),
        *_strangers(case),
        *(replace(doubt, since=since) for doubt in _injections(case)),
        *(replace(doubt, since=since) for fault in case.faults for doubt in _of_fault(case, fault)),
        *(replace(doubt, since=since) for doubt in _baseline(case)),
        *(replace(doubt, since=since) for doubt in _unserved(case)),
    ]
    return tuple(dict.fromkeys(doubts))


def weighed(
    finding: Finding, evidence: list[Doubt], attribution: list[Doubt]
) -> tuple[Finding, bool]:
    """What is left of a finding under the doubts that touch it, and whether it is unattributed."""
    if evidence:
        return _doubted(finding, "the evidence is broken", evidence), False
    if attribution and finding.outcome is Outcome.PASS:
        return _doubted(finding, "not shown to be the fault's doing", attribution), False
    return finding, bool(attribution) and finding.outcome is Outcome.FAIL


def _doubted(finding: Finding, why: str, doubts: list[Doubt]) -> Finding:
    texts = "; ".join(doubt.text for doubt in doubts)
    seen = f"seen all the same: {finding.outcome}, {finding.reason}"
    return replace(
        finding,
        outcome=Outcome.INCONCLUSIVE,
        reason=f"{why}: {texts}",
        notes=(*finding.notes, seen),
    )


def _interruptions(case: Case) -> Iterator[Doubt]:
    record = case.record
    for event in record.of_kind("stop"):
        yield Doubt(f"a stop condition ended the run: {event.data.get('condition', '')}")
    for event in record.of_kind("interrupted"):
        yield Doubt(f"the run was interrupted by {event.data.get('signal', 'a signal')}")
    for event in record.of_kind("harness.error"):
        where, error = event.data.get("where", ""), event.data.get("error", "")
        yield Doubt(f"the harness failed in {where}: {error}")
    ends = record.of_kind("run.finished")
    if not ends:
        yield Doubt("the end of the run was not recorded")
    for event in ends:
        how = str(event.data.get("how"))
        if how != "completed" and not record.of_kind(TOLD_BY.get(how, "")):
            yield Doubt(f"the run ended as {how}: {event.data.get('reason', '')}")


def _strangers(case: Case) -> Iterator[Doubt]:
    """Copies that somebody else restarted: what came of that is not the faults' doing."""
    for name in unaccounted(case.record):
        yield Doubt(
            f"{name} lives another life than before the faults; none of them struck it and no "
            f"event of the system tells of it, so somebody else may have restarted it"
        )


def _injections(case: Case) -> Iterator[Doubt]:
    """Faults that were planned and did not come about, or did not go."""
    for plan in case.experiment.faults:
        came = sum(fault.facts.fault == plan.name for fault in case.faults)
        times = 1 if plan.repeat is None else plan.repeat.times
        if changes_load(plan) or came >= times:
            continue
        often = f"only {came} times of {times}" if came else "never"
        yield Doubt(f"fault {plan.name} was {often} injected")
    for effect in effects_of(case.record).values():
        if effect.error:
            yield Doubt(f"fault {effect.fault} could not be injected: {effect.error}")
        if effect.undo_error:
            yield Doubt(f"{effect.text} could not be undone: {effect.undo_error}")
        if effect.outcome == "foreign":
            yield Doubt(f"{effect.text} was changed by somebody else meanwhile")


def _of_fault(case: Case, fault: ProvenFault) -> Iterator[Doubt]:
    if not fault.witnessed:
        yield Doubt(f"fault {fault.name} was not witnessed: {fault.reason}")
    if fault.exposure.count:
        return
    touched = CARRIED | {Source.PROBES}
    reason = fault.exposure.reason
    if fault.exposure.count == 0:
        text = f"fault {fault.name} met nobody: {reason}"
    else:
        text = f"whether fault {fault.name} met anybody is unknown: {reason}"
    yield Doubt(text, touched, but_for=met_by(case, fault))


def _baseline(case: Case) -> Iterator[Doubt]:
    """Objectives that the claims are about, missed before anything was done."""
    window = case.windows.get("baseline")
    if window is None or not case.faulted:
        return
    seen: set[str] = set()
    for line in case.experiment.verify:
        for slo in slos_named(line.check, dict(case.objectives)):
            if slo.name in seen:
                continue
            seen.add(slo.name)
            study: Study = replace(case.study(line, window), general=False, tolerance={})
            for each in assess(study, slo):
                if each.outcome is Outcome.FAIL:
                    yield Doubt(f"the baseline was not well: {slo.name}: {each.reason}")
        for objective in recoveries_named(line.check, dict(case.objectives)):
            yield from _unwell(case, objective, window)


def _unserved(case: Case) -> Iterator[Doubt]:
    """Nobody was served before the faults, or at the end: what probes show is not the service."""
    baseline = case.windows.get("baseline")
    if not case.faulted or baseline is None:
        return
    last = Window("the end", case.run.end - AT_THE_END, case.run.end)
    for begin, end, failed in outages(case.requests):
        for window, words in ((baseline, "in all of the baseline"), (last, "at the run's end")):
            inside = case.requests.count(window)
            grace = min(GRACE, (window.end - window.begin) // 4)
            if inside and begin <= window.begin + grace and end >= window.end - grace:
                yield Doubt(
                    f"nobody was served {words}: {failed:,} requests in a row failed, so what "
                    f"probes say shows no service",
                    frozenset({Source.PROBES}),
                )


def _unwell(case: Case, objective: RecoveryObjective, window: Window) -> Iterator[Doubt]:
    """A probe that failed more often than its objective allows before anything was broken."""
    samples = case.record.probe(objective.probe)
    if samples is None:
        return
    inside = (samples.sent >= window.begin) & (samples.finished < window.end)
    total, good = int(inside.sum()), int((inside & samples.ok).sum())
    if refuted(good, total, objective.good_ratio.value, CONFIDENCE):
        yield Doubt(
            f"the baseline was not well: probe {objective.probe} was good {good:,} times of "
            f"{total:,} before anything was injected"
        )
