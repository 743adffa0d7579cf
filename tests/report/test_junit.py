"""The structure is that of the xunit2 schema of Jenkins's xUnit plug-in."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal
from xml.etree import ElementTree as ET

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sloproof.model.verdict import Claim, Finding, Outcome
from sloproof.record.reader import Record
from sloproof.report.junit import junit_xml
from tests.report import judged, sample

ATTRIBUTES = {
    "testsuites": {"name", "time", "tests", "failures", "disabled", "errors"},
    "testsuite": {
        "name",
        "tests",
        "failures",
        "errors",
        "time",
        "disabled",
        "skipped",
        "timestamp",
        "hostname",
        "id",
        "package",
    },
    "properties": set(),
    "property": {"name", "value"},
    "testcase": {"name", "assertions", "time", "classname", "status"},
    "failure": {"type", "message"},
    "error": {"type", "message"},
    "skipped": {"type", "message"},
}
CHILDREN = {
    "testsuites": {"testsuite"},
    "testsuite": {"properties", "testcase", "system-out", "system-err"},
    "properties": {"property"},
    "testcase": {"skipped", "error", "failure", "system-out", "system-err"},
}


def check_schema(element: ET.Element) -> None:
    assert set(element.attrib) <= ATTRIBUTES[element.tag]
    for child in element:
        assert child.tag in CHILDREN.get(element.tag, set())
        check_schema(child)


def suite(text: str) -> ET.Element:
    root = sample.parse_xml(text)
    check_schema(root)
    found = root.find("testsuite")
    assert found is not None
    assert int(found.get("tests", "")) == len(found.findall("testcase"))
    for kind, count in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
        assert int(found.get(count, "")) == len(found.findall(f"testcase/{kind}"))
    return found


@pytest.mark.parametrize(("inconclusive", "tag"), [("error", "error"), ("skipped", "skipped")])
def test_each_outcome_has_its_place(
    slow_speech: Path, inconclusive: Literal["error", "skipped"], tag: str
) -> None:
    text = junit_xml([(Record(slow_speech), judged.verdict())], inconclusive=inconclusive)
    fates = {case.get("name"): [child.tag for child in case] for case in suite(text)[1:]}
    assert fates == {
        "slo:dialogue-availability": ["failure"],
        "slo:latency-while-slow": [],
        "recovery:dialogue-recovery": [],
        "budget:dialogue-availability": [],
        "circuit_breaker:dialogue-speech": [tag],
    }


def test_values_stand_in_the_suite_and_in_messages(slow_speech: Path) -> None:
    found = suite(junit_xml([(Record(slow_speech), judged.verdict())]))
    properties = {each.get("name"): each.get("value") for each in found.iter("property")}
    assert properties["slo:dialogue-availability target"] == "99.5%"
    failure = found.find("testcase/failure")
    assert failure is not None
    assert "good ratio: 98.46%" in (failure.text or "")


def test_an_experiment_that_claims_nothing_is_not_green(slow_speech: Path) -> None:
    empty = judged.verdict(outcome=Outcome.INCONCLUSIVE, claims=(), sentence="Nothing was claimed")
    found = suite(junit_xml([(Record(slow_speech), empty)]))
    assert [child.tag for case in found.findall("testcase") for child in case] == ["error"]


def test_every_experiment_is_a_suite(slow_speech: Path) -> None:
    run = (Record(slow_speech), judged.verdict())
    assert len(sample.parse_xml(junit_xml([run, run]))) == 2
    assert len(sample.parse_xml(junit_xml([]))) == 0


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.characters(exclude_categories=[])))
def test_any_text_survives_the_xml(slow_speech: Path, text: str) -> None:
    claim = Claim(text, "slo", text, Finding(Outcome.FAIL, text, (), (text,)))
    hostile = replace(judged.verdict(), experiment=text, claims=(claim,), evidence=(text,))
    suite(junit_xml([(Record(slow_speech), hostile)]))
