"""From a record to its verdict: every line of `verify` judged, then weighed by what was broken."""

from __future__ import annotations

from typing import Protocol

from sloproof.contracts import Finding, Outcome, Window
from sloproof.errors import BrokenRecord
from sloproof.judge.case import Case
from sloproof.judge.facts import own_probes
from sloproof.judge.measures import measures
from sloproof.judge.sentence import sentence
from sloproof.judge.sources import has_source, probes_of, sources_of
from sloproof.judge.validity import Doubt, attribution_doubts, evidence_doubts, weighed
from sloproof.model.target import Target
from sloproof.model.verdict import Claim, Verdict, worst
from sloproof.record.reader import Record
from sloproof.spec.experiment import Experiment, Line
from sloproof.spec.objectives import Objectives


class Asked(Protocol):
    """What was asked of a run: `sloproof.spec.Loaded` is one."""

    @property
    def experiment(self) -> Experiment:
        """The experiment with its lines of `verify`."""
        ...

    @property
    def target(self) -> Target | None:
        """The target, for its own probes and their intervals."""
        ...

    @property
    def objectives(self) -> Objectives:
        """The objectives that the lines name."""
        ...


def judge(
    record: Record, *, loaded: Asked | None = None, objectives: Objectives | None = None
) -> Verdict:
    """The verdict on a record: a pure function of it, the same byte for byte each time.

    `loaded` is what was asked of the run, by default as the record itself has it; `objectives`
    replace those of the same names. Raises `BrokenRecord` where the record's own experiment can't
    be read.
    """
    asked = asked_of(record) if loaded is None else loaded
    known = {**asked.objectives, **(objectives or {})}
    case = Case.of(record, asked.experiment, asked.target, known)
    evidence, attribution = evidence_doubts(case), attribution_doubts(case)
    claims = tuple(_claim(case, line, evidence, attribution) for line in asked.experiment.verify)
    outcome = worst(claim.finding.outcome for claim in claims)
    return Verdict(
        run=record.run,
        experiment=asked.experiment.name,
        outcome=outcome,
        sentence=sentence(case, outcome, claims),
        claims=claims,
        evidence=tuple(doubt.text for doubt in evidence),
        attribution=tuple(doubt.text for doubt in attribution),
        measures=measures(case),
    )


def asked_of(record: Record) -> Asked:
    """What was asked of a run, as its record has it; raises `BrokenRecord` where it has not."""
    from sloproof.spec import from_record

    try:
        return from_record(record.experiment_text)
    except BrokenRecord as error:
        lines = (f"{record.folder}/experiment.yaml: {line}" for line in str(error).splitlines())
        raise BrokenRecord("\n".join(lines)) from None


def _claim(
    case: Case, line: Line, evidence: tuple[Doubt, ...], attribution: tuple[Doubt, ...]
) -> Claim:
    window = case.window_of(line)
    reads = sources_of(line.check, dict(case.objectives))
    probes = probes_of(line.check, dict(case.objectives)) or frozenset(own_probes(case.record))
    finding = _obstacle(case, line, window)
    unattributed = False
    if finding is None and window is not None:
        found = line.check.judge(case.study(line, window))
        finding, unattributed = weighed(
            found,
            [doubt for doubt in evidence if doubt.touches(reads, probes, window)],
            [doubt for doubt in attribution if doubt.touches(reads, probes, window)],
        )
    name = line.during if window is None else window.name
    nothing = Finding(Outcome.INCONCLUSIVE, "nothing was judged")
    return Claim(line.id, line.check.kind, name, finding or nothing, unattributed)


def _obstacle(case: Case, line: Line, window: Window | None) -> Finding | None:
    """Why a line can't be judged at all."""
    if window is None:
        return Finding(Outcome.INCONCLUSIVE, f"the run had no {line.during}")
    lacking = [
        source.value
        for source in sources_of(line.check, dict(case.objectives))
        if not has_source(case.record, source)
    ]
    if lacking:
        return Finding(Outcome.INCONCLUSIVE, f"the record has no {' and no '.join(lacking)}")
    if line.general and case.faulted and window.end > case.first_fault:
        return Finding(
            Outcome.INCONCLUSIVE,
            "requests of one outage are not independent: a general claim across faults takes the "
            "run as its unit and needs a suite of runs",
        )
    return None
