"""Verdicts as JUnit XML, in the shape that xunit2 readers (Jenkins, GitLab, GitHub) accept.

A suite for each experiment, a case for each claim; for a drill one more, with its verdict, its
steps and what it claims in general. Figures stand in the suite's properties and in
the messages, for properties of a case break xunit2.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

from sloproof.judge.drill import StepVerdict, SuiteVerdict
from sloproof.model.verdict import Claim, Number, Outcome, Verdict
from sloproof.record.reader import Record
from sloproof.record.schema import Event
from sloproof.record.suite import SuiteRecord
from sloproof.report.words import bounds, clean, number

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element


def junit_xml(
    runs: Sequence[tuple[Record, Verdict]],
    *,
    drill: tuple[SuiteRecord, SuiteVerdict] | None = None,
    inconclusive: Literal["error", "skipped"] = "error",
) -> str:
    """One XML document: PASS is ok, FAIL a failure, INCONCLUSIVE an error unless it may skip.

    A drill stands before its runs.
    An experiment without claims, or whose evidence is broken, has a case of its own that says so.
    """
    from xml.etree import ElementTree as ET

    root = ET.Element("testsuites", name="sloproof")
    if drill is not None:
        root.append(_drill(*drill, inconclusive))
    for record, verdict in runs:
        root.append(_suite(record, verdict, inconclusive))
    for total in ("tests", "failures", "errors"):
        root.set(total, str(sum(int(suite.get(total, "0")) for suite in root)))
    ET.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _suite(record: Record, verdict: Verdict, inconclusive: str) -> Element:
    cases = [_case(verdict, claim, inconclusive) for claim in verdict.claims]
    if not cases or (verdict.outcome is not Outcome.PASS and not _shows(cases)):
        cases.append(_whole(verdict, inconclusive))
    about = _properties(record, verdict)
    return _testsuite(verdict.experiment, record.events, about, cases)


def _drill(record: SuiteRecord, verdict: SuiteVerdict, inconclusive: str) -> Element:
    name, run = verdict.suite, f"run {verdict.run}"

    def case(id: str, outcome: Outcome, reason: str, *details: str) -> Element:  # noqa: A002 - as in claims
        return _element(name, id, _fate(outcome, inconclusive), reason, [*details, run])

    cases = [case("verdict", verdict.outcome, verdict.sentence, *verdict.evidence)]
    cases += [
        case(f"{step.label}/{step.kind}", step.outcome, step.reason, *_said(step))
        for step in verdict.steps
    ]
    cases += [
        case(claim.id, claim.finding.outcome, claim.finding.reason, *claim.finding.notes)
        for claim in verdict.across
    ]
    return _testsuite(name, record.events, _drill_properties(record, verdict), cases)


def _said(step: StepVerdict) -> Iterator[str]:
    if step.note:
        yield f"{step.by}: {step.note}"
    if step.run:
        yield f"run of the step: {step.run}"


def _testsuite(
    name: str, events: Sequence[Event], about: Iterable[tuple[str, str]], cases: Sequence[Element]
) -> Element:
    from xml.etree import ElementTree as ET

    suite = ET.Element(
        "testsuite",
        {
            "name": clean(name),
            "tests": str(len(cases)),
            "failures": str(sum(case.find("failure") is not None for case in cases)),
            "errors": str(sum(case.find("error") is not None for case in cases)),
            "skipped": str(sum(case.find("skipped") is not None for case in cases)),
            "time": f"{events[-1].t / 1e9:.3f}",
        },
    )
    wall = events[0].data.get("wall_ns")
    if isinstance(wall, int):
        moment = datetime.fromtimestamp(wall / 1e9, UTC)
        suite.set("timestamp", moment.strftime("%Y-%m-%dT%H:%M:%S"))
    properties = ET.SubElement(suite, "properties")
    for term, value in about:
        ET.SubElement(properties, "property", name=clean(term), value=clean(value))
    suite.extend(cases)
    return suite


def _shows(cases: Iterable[Element]) -> bool:
    return any(len(case) for case in cases)


def _case(verdict: Verdict, claim: Claim, inconclusive: str) -> Element:
    message = claim.finding.reason
    if claim.unattributed:
        message += " (not proven to be the fault's doing)"
    details = [f"{each.name}: {_value(each)}" for each in claim.finding.numbers]
    details += [*claim.finding.notes, f"run {verdict.run}"]
    fate = _fate(claim.finding.outcome, inconclusive)
    return _element(verdict.experiment, claim.id, fate, message, details)


def _whole(verdict: Verdict, inconclusive: str) -> Element:
    """A case for the verdict itself, where no claim's case would show it."""
    details = [*verdict.evidence, *verdict.attribution, f"run {verdict.run}"]
    fate = _fate(verdict.outcome, inconclusive)
    return _element(verdict.experiment, "verdict", fate, verdict.sentence, details)


def _element(suite: str, name: str, fate: str, message: str, details: Iterable[str]) -> Element:
    from xml.etree import ElementTree as ET

    case = ET.Element("testcase", classname=f"sloproof.{clean(suite)}", name=clean(name), time="0")
    if fate == "skipped":
        ET.SubElement(case, fate, message=clean(message), type="inconclusive")
    elif fate:
        kind = "claim" if fate == "failure" else "inconclusive"
        told = ET.SubElement(case, fate, message=clean(message), type=kind)
        told.text = clean("\n".join([message, *details]))
    return case


def _fate(outcome: Outcome, inconclusive: str) -> str:
    return {Outcome.PASS: "", Outcome.FAIL: "failure"}.get(outcome, inconclusive)


def _properties(record: Record, verdict: Verdict) -> Iterator[tuple[str, str]]:
    yield "outcome", verdict.outcome.value
    yield "run", verdict.run
    yield "record", record.folder.name
    yield "sealed", "yes" if record.sealed else "no"
    yield "seed", str(record.events[0].data.get("seed"))
    for text in verdict.evidence:
        yield "evidence", text
    for text in verdict.attribution:
        yield "attribution", text
    for claim in verdict.claims:
        yield f"{claim.id} outcome", claim.finding.outcome.value
        for each in claim.finding.numbers:
            yield f"{claim.id} {each.name}", _value(each)


def _drill_properties(record: SuiteRecord, verdict: SuiteVerdict) -> Iterator[tuple[str, str]]:
    yield "outcome", verdict.outcome.value
    yield "run", verdict.run
    yield "record", record.folder.name
    yield "sealed", "yes" if record.sealed else "no"
    for text in verdict.evidence:
        yield "evidence", text
    for each in verdict.deviations:
        yield "deviation", f"{each.step}: {each.what}" if each.step else each.what


def _value(each: Number) -> str:
    around = bounds(each)
    return f"{number(each)} ({around})" if around else number(each)
