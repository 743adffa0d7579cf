"""From the sealed records of a suite's runs to its verdict; pure, as judging one record is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from sloproof.judge.across import across_claim
from sloproof.judge.drill import Correction, Deviation, Judged, Loss, StepVerdict, SuiteVerdict
from sloproof.judge.wording import count, listed
from sloproof.model.verdict import Claim, Finding, Outcome, worst
from sloproof.record.schema import Event
from sloproof.record.suite import SuiteRecord
from sloproof.spec.suite import Suite

LOST = ("lost", "lost after the fault")
"""The names under which checks count lost writes; no write is in both."""
WRONG = ("duplicated", "phantom", "stale")
"""The names under which they count what else became of writes."""
LEDGER = "data_loss"
NEVER_BEGUN = "not begun: the suite ended before it"
EXPERIMENT, MANUAL, GATE = "experiment", "manual", "gate"
_SECOND = 1e9


def judge_suite(record: SuiteRecord, suite: Suite, runs: Mapping[str, Judged]) -> SuiteVerdict:
    """The verdict on a suite from its own record and its runs' verdicts, by run id."""
    taken = tuple(_steps(record, suite, runs))
    steps = (*taken, *_never_begun(suite, taken))
    across = tuple(
        across_claim(line, _outcomes(steps, line.step, line.claim)) for line in suite.verify
    )
    evidence = tuple(_evidence(record, steps))
    outcome = worst([*(each.outcome for each in steps), *(c.finding.outcome for c in across)])
    if evidence and outcome is Outcome.PASS:
        outcome = Outcome.INCONCLUSIVE
    return SuiteVerdict(
        run=record.run,
        suite=suite.name,
        outcome=outcome,
        sentence=_sentence(outcome, steps, across, evidence),
        steps=steps,
        claims=tuple(_claims(steps)),
        across=across,
        losses=tuple(_losses(steps)),
        deviations=tuple(_deviations(record, steps)),
        corrections=tuple(_corrections(record, suite, steps, across)),
        evidence=evidence,
    )


# -- steps


def _steps(record: SuiteRecord, suite: Suite, runs: Mapping[str, Judged]) -> Iterator[StepVerdict]:
    """Everything in the order in which it happened, then what never did."""
    began: Event | None = None
    open_step: StepVerdict | None = None
    for event in record.events:
        if event.kind in ("step.begun", "gate.begun", "manual.asked"):
            began, open_step = event, _begun(event)
        elif event.kind == "step.ended" and began is not None:
            yield _of_run(_begun(began), event, record, runs)
            open_step = None
        elif event.kind == "gate.ended" and began is not None:
            yield _gate(_of_run(_begun(began), event, record, runs))
            open_step = None
        elif event.kind in ("manual.confirmed", "manual.missed") and began is not None:
            yield _manual(_begun(began), event)
            open_step = None
        elif event.kind == "step.skipped":
            if open_step is not None:
                yield open_step
                open_step = None
            yield _skipped(event, suite)
    if open_step is not None:
        yield open_step


def _begun(event: Event) -> StepVerdict:
    data = event.data
    kind = {"step.begun": EXPERIMENT, "gate.begun": GATE}.get(event.kind, MANUAL)
    name = data.get("step")
    if kind == GATE:
        before = data.get("before")
        name = f"steady state before {before}" if before else "steady state at the end"
    return StepVerdict(
        name=str(name),
        kind=kind,
        outcome=Outcome.INCONCLUSIVE,
        reason="it was not ended",
        number=_whole(data.get("number"), -1),
        repetition=_whole(data.get("repetition"), 0),
        begun_s=event.t / _SECOND,
        do=str(data.get("do", "")),
        by=str(data.get("by", "")),
    )


def _of_run(
    begun: StepVerdict, event: Event, record: SuiteRecord, runs: Mapping[str, Judged]
) -> StepVerdict:
    run = str(event.data.get("run", ""))
    reason = str(event.data.get("reason", ""))
    ended = replace(begun, ended_s=event.t / _SECOND, run=run, seal=record.seals.get(run, ""))
    judged = runs.get(run)
    if judged is None:
        return replace(ended, reason=reason or "it left no record")
    verdict = judged.verdict
    how = str(event.data.get("how", "completed"))
    outcome = verdict.outcome
    if how != "completed" and outcome is Outcome.PASS:
        outcome = Outcome.INCONCLUSIVE
    said = verdict.sentence.removeprefix(f"{verdict.outcome}: ")
    came = how if how == "failed" else f"was {how}"
    words = f"{said} The run {came}: {reason}" if how != "completed" else said
    return replace(ended, outcome=outcome, reason=words, claims=verdict.claims)


def _gate(found: StepVerdict) -> StepVerdict:
    """A gate shows no more than that what follows was begun in the steady state."""
    opened = found.outcome is Outcome.PASS
    reasons = [claim.finding.reason for claim in found.claims] or [found.reason]
    outcome = Outcome.PASS if opened else Outcome.INCONCLUSIVE
    return replace(found, outcome=outcome, reason="; ".join(reasons), claims=())


def _manual(asked: StepVerdict, event: Event) -> StepVerdict:
    ended = replace(asked, ended_s=event.t / _SECOND)
    if event.kind == "manual.missed":
        return replace(ended, reason="nobody confirmed it in time")
    by, note = str(event.data.get("by", "")), str(event.data.get("note", ""))
    failed = bool(event.data.get("failed"))
    outcome = Outcome.FAIL if failed else Outcome.PASS
    said = "said to have failed" if failed else "confirmed"
    when = _whole(event.data.get("wall_ns"), 0) or None
    return replace(
        ended, outcome=outcome, reason=f"{said} by {by}", by=by, note=note, confirmed_ns=when
    )


def _skipped(event: Event, suite: Suite) -> StepVerdict:
    number = _whole(event.data.get("number"), -1)
    manual = 0 <= number < len(suite.steps) and suite.steps[number].manual is not None
    reason = event.data.get("reason")
    return StepVerdict(
        name=str(event.data.get("step")),
        kind=MANUAL if manual else EXPERIMENT,
        outcome=Outcome.INCONCLUSIVE,
        reason=f"not begun: {reason or 'it was left out'}",
        number=number,
    )


def _never_begun(suite: Suite, taken: Sequence[StepVerdict]) -> Iterator[StepVerdict]:
    """What the suite asks for and its record says nothing of, as after its process was killed."""
    told = {(step.number, step.repetition) for step in taken if step.kind != GATE}
    skipped = {step.number for step in taken if step.kind != GATE and step.begun_s is None}
    for number, step in enumerate(suite.steps):
        for repetition in range(step.times):
            if (number, repetition) not in told and number not in skipped:
                yield StepVerdict(
                    name=step.name,
                    kind=MANUAL if step.manual is not None else EXPERIMENT,
                    outcome=Outcome.INCONCLUSIVE,
                    reason=NEVER_BEGUN,
                    number=number,
                    repetition=repetition,
                    do="" if step.manual is None else step.manual.do,
                    by="" if step.manual is None else step.manual.by,
                )


# -- what follows from the steps


def _outcomes(steps: Sequence[StepVerdict], step: str, claim: str) -> list[Outcome]:
    """What came of a claim in each run of a step; a run without it can't tell."""
    found: list[Outcome] = []
    for each in steps:
        if each.kind == EXPERIMENT and each.name == step and each.begun_s is not None:
            told = [c.finding.outcome for c in each.claims if c.id == claim]
            found.append(told[0] if told else Outcome.INCONCLUSIVE)
    return found


def _claims(steps: Sequence[StepVerdict]) -> Iterator[Claim]:
    """Each claim of each step once, the worst of its runs, and a claim for what has none."""
    runs: dict[str, list[Claim]] = {}
    for step in steps:
        own = [replace(claim, id=f"{step.name}/{claim.id}") for claim in step.claims]
        for claim in own or [_whole_claim(step)]:
            runs.setdefault(claim.id, []).append(claim)
    order = (Outcome.FAIL, Outcome.INCONCLUSIVE, Outcome.PASS)
    for found in runs.values():
        first = min(found, key=lambda claim: order.index(claim.finding.outcome))
        outcome = first.finding.outcome
        same = sum(claim.finding.outcome is outcome for claim in found)
        if len(found) > 1:
            reason = f"{same} of {len(found)} runs {outcome}: {first.finding.reason}"
            first = replace(first, finding=replace(first.finding, reason=reason))
        yield first


def _whole_claim(step: StepVerdict) -> Claim:
    name = step.name.replace(" ", "-") if step.kind == GATE else step.name
    return Claim(f"{name}/{step.kind}", step.kind, "run", Finding(step.outcome, step.reason))


def _losses(steps: Sequence[StepVerdict]) -> Iterator[Loss]:
    """A run keeps one ledger, so all of its claims that count writes count the same ones."""
    for step in steps:
        about = [claim for claim in step.claims if claim.check == LEDGER or _figures(claim)]
        if not about:
            continue
        first = max(about, key=lambda claim: (bool(_figures(claim)), claim.check == LEDGER))
        found = _figures(first)
        lost = [found.get(name) for name in LOST]
        yield Loss(
            step=step.label,
            run=step.run,
            claims=tuple(claim.id for claim in about),
            outcome=worst(claim.finding.outcome for claim in about),
            lost=sum(n for n in lost if n is not None) if None not in lost else None,
            acknowledged=found.get("acknowledged"),
            counts=tuple((name, n) for name, n in found.items() if n and name.startswith(WRONG)),
            notes=first.finding.notes,
        )


def _figures(claim: Claim) -> dict[str, int | None]:
    """What a claim counted in a ledger; empty where it is not about one."""
    counted = [number for number in claim.finding.numbers if number.unit == "count"]
    found = {n.name: None if n.value is None else int(n.value) for n in counted}
    return found if LOST[0] in found else {}


def _deviations(record: SuiteRecord, steps: Sequence[StepVerdict]) -> Iterator[Deviation]:
    """What was told of as one, then what shows by its absence."""
    for event in record.events:
        if event.kind == "deviation":
            step, what = str(event.data.get("step", "")), str(event.data.get("what", ""))
            yield Deviation(at_s=event.t / _SECOND, step=step, what=what)
        elif event.kind == "step.skipped":
            step, why = str(event.data.get("step", "")), str(event.data.get("reason", ""))
            yield Deviation(at_s=event.t / _SECOND, step=step, what=f"not begun: {why}")
        elif event.kind == "harness.error":
            what = str(event.data.get("error", ""))
            yield Deviation(at_s=event.t / _SECOND, step="", what=what)
    end = record.events[-1].t / _SECOND
    for each in steps:
        if each.kind == GATE and each.ended_s is not None and each.outcome is not Outcome.PASS:
            what = f"the gate stayed shut: {each.reason}"
            yield Deviation(at_s=each.ended_s, step=each.label, what=what)
        elif each.begun_s is None and each.reason == NEVER_BEGUN:
            yield Deviation(at_s=end, step=each.label, what=each.reason)
        elif each.begun_s is not None and each.ended_s is None:
            yield Deviation(at_s=end, step=each.label, what="was begun and not ended")


def _corrections(
    record: SuiteRecord, suite: Suite, steps: Sequence[StepVerdict], across: Sequence[Claim]
) -> Iterator[Correction]:
    owner, retest = suite.corrective.owner, _retest(record, suite)

    def correction(claim_id: str, outcome: Outcome, reason: str) -> Correction:
        return Correction(id=claim_id, outcome=outcome, reason=reason, owner=owner, retest=retest)

    for claim in [*_claims(steps), *across]:
        if claim.finding.outcome is not Outcome.PASS:
            yield correction(claim.id, claim.finding.outcome, claim.finding.reason)
    for step in steps:
        passed = all(claim.finding.outcome is Outcome.PASS for claim in step.claims)
        if step.outcome is not Outcome.PASS and step.claims and passed:
            yield correction(step.label, step.outcome, step.reason)
    for reason in _evidence(record, steps):
        yield correction("", Outcome.INCONCLUSIVE, reason)


def _retest(record: SuiteRecord, suite: Suite) -> str:
    wall = record.events[0].data.get("wall_ns")
    if not isinstance(wall, int):
        return ""
    until = (wall + suite.corrective.retest_within.ns) // 1_000_000_000
    return datetime.fromtimestamp(until, UTC).date().isoformat()


def _evidence(record: SuiteRecord, steps: Sequence[StepVerdict]) -> Iterator[str]:
    if not record.sealed:
        yield "the suite has no seal: it did not come to its end"
    finished = next((each for each in record.events if each.kind == "suite.finished"), None)
    if finished is not None and finished.data.get("how") != "completed":
        yield f"the suite was {finished.data.get('how')}: {finished.data.get('reason')}"
    open_runs = [step.run for step in steps if step.run and record.sealed and not step.seal]
    if open_runs:
        yield f"{listed(open_runs)} left no sealed record"


def _sentence(
    outcome: Outcome,
    steps: Sequence[StepVerdict],
    across: Sequence[Claim],
    evidence: Sequence[str],
) -> str:
    """The verdict in a sentence, beginning with the outcome."""
    taken = [step for step in steps if step.kind != GATE]
    parts = [
        f"{sum(s.outcome is Outcome.PASS for s in some)} of {count(len(some), noun)} passed"
        for noun, kind in (("run", EXPERIMENT), ("manual step", MANUAL))
        if (some := [step for step in taken if step.kind == kind])
    ]
    if across:
        held = sum(claim.finding.outcome is Outcome.PASS for claim in across)
        parts.append(f"{held} of {count(len(across), 'general claim')} held")
    trouble = [s.label for s in steps if s.outcome is outcome and outcome is not Outcome.PASS]
    verb = "failed" if outcome is Outcome.FAIL else "can't be decided"
    told = f"; {listed(trouble)} {verb}" if trouble else ""
    why = f"; {evidence[0]}" if evidence and not trouble else ""
    return f"{outcome}: {', '.join(parts)}{told}{why}."


def _whole(value: object, otherwise: int) -> int:
    return value if isinstance(value, int) else otherwise
