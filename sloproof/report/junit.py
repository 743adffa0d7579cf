"""Verdicts as JUnit XML, in the shape that xunit2 readers (Jenkins, GitLab, GitHub) accept.

A suite for each experiment, a case for each claim. Figures stand in the suite's properties and in
the messages, for properties of a case break xunit2.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

from sloproof.model.verdict import Claim, Number, Outcome, Verdict
from sloproof.record.reader import Record
from sloproof.report.words import bounds, clean, number

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element


def junit_xml(
    runs: Sequence[tuple[Record, Verdict]],
    *,
    inconclusive: Literal["error", "skipped"] = "error",
) -> str:
    """One XML document: PASS is ok, FAIL a failure, INCONCLUSIVE an error unless it may skip.

    An experiment without claims, or whose evidence is broken, has a case of its own that says so.
    """
    from xml.etree import ElementTree as ET

    root = ET.Element("testsuites", name="sloproof")
    for record, verdict in runs:
        root.append(_suite(record, verdict, inconclusive))
    for total in ("tests", "failures", "errors"):
        root.set(total, str(sum(int(suite.get(total, "0")) for suite in root)))
    ET.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _suite(record: Record, verdict: Verdict, inconclusive: str) -> Element:
    from xml.etree import ElementTree as ET

    cases = [_case(verdict, claim, inconclusive) for claim in verdict.claims]
    if not cases or (verdict.outcome is not Outcome.PASS and not _shows(cases)):
        cases.append(_whole(verdict, inconclusive))
    started = record.events[0]
    wall = started.data.get("wall_ns")
    suite = ET.Element(
        "testsuite",
        {
            "name": clean(verdict.experiment),
            "tests": str(len(cases)),
            "failures": str(sum(case.find("failure") is not None for case in cases)),
            "errors": str(sum(case.find("error") is not None for case in cases)),
            "skipped": str(sum(case.find("skipped") is not None for case in cases)),
            "time": f"{record.events[-1].t / 1e9:.3f}",
        },
    )
    if isinstance(wall, int):
        moment = datetime.fromtimestamp(wall / 1e9, UTC)
        suite.set("timestamp", moment.strftime("%Y-%m-%dT%H:%M:%S"))
    properties = ET.SubElement(suite, "properties")
    for name, value in _properties(record, verdict):
        ET.SubElement(properties, "property", name=clean(name), value=clean(value))
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
    return _element(verdict, claim.id, _fate(claim.finding.outcome, inconclusive), message, details)


def _whole(verdict: Verdict, inconclusive: str) -> Element:
    """A case for the verdict itself, where no claim's case would show it."""
    details = [*verdict.evidence, *verdict.attribution, f"run {verdict.run}"]
    fate = _fate(verdict.outcome, inconclusive)
    return _element(verdict, "verdict", fate, verdict.sentence, details)


def _element(
    verdict: Verdict, name: str, fate: str, message: str, details: Iterable[str]
) -> Element:
    from xml.etree import ElementTree as ET

    case = ET.Element(
        "testcase", classname=f"sloproof.{clean(verdict.experiment)}", name=clean(name), time="0"
    )
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


def _value(each: Number) -> str:
    around = bounds(each)
    return f"{number(each)} ({around})" if around else number(each)
