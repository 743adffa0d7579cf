from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sloproof.model.verdict import Claim, Finding, Outcome
from sloproof.record.reader import Record
from sloproof.report.markdown import markdown
from sloproof.report.summary import summary_text
from tests.report import judged


@pytest.fixture(scope="session")
def record(slow_speech: Path) -> Record:
    return Record(slow_speech)


def test_the_summary_is_a_line_for_the_verdict_and_one_for_each_claim() -> None:
    lines = summary_text(judged.verdict(evidence=("the prober was late",), measures={}))
    assert lines[0].startswith("FAIL  slow-speech: Too many people")
    assert lines[1].startswith("  ✗ FAIL          slo:dialogue-availability: 98.46% of")
    assert lines[-1] == "  ! evidence: the prober was late"
    assert len(lines) == 2 + len(judged.CLAIMS)


def test_the_outcome_is_not_said_twice() -> None:
    said = judged.verdict(claims=(), sentence="FAIL: 1 of 2 claims failed", measures={})
    assert summary_text(said) == ["FAIL  slow-speech: 1 of 2 claims failed"]


def test_what_the_load_had_to_say_stands_in_the_summary() -> None:
    load = {**judged.MEASURES["load"], "notices": ["wait_time is ignored"]}  # type: ignore[dict-item]
    said = judged.verdict(measures={"load": load})
    assert summary_text(said)[-1] == "  · load: wait_time is ignored"


def test_an_unattributed_failure_is_said_to_be_one() -> None:
    claim = replace(judged.CLAIMS[0], unattributed=True)
    assert "FAIL (unattributed)" in summary_text(judged.verdict(claims=(claim,)))[1]


def test_the_markdown_has_a_row_for_each_claim(record: Record) -> None:
    lines = markdown(record, judged.verdict()).splitlines()
    assert lines[0] == "### ❌ FAIL: slow-speech"
    rows = [line for line in lines if line.startswith("| ") and "`" in line]
    assert len(rows) == len(judged.CLAIMS)
    assert "`dialogue-recovery` | ≤ 5 s | 3.22 s<br>3.204 s to 3.231 s |" in rows[2]


def test_the_markdown_of_an_empty_verdict_has_no_table(record: Record) -> None:
    empty = judged.verdict(claims=(), outcome=Outcome.INCONCLUSIVE, measures={})
    assert "|" not in markdown(record, empty)


@given(text=st.text(st.characters(exclude_categories=[])) | st.text("|`<>[]()!*_@:/\\\n#~&"))
def test_no_text_is_markup_a_link_or_a_mention(record: Record, text: str) -> None:
    claim = Claim(text, text, text, Finding(Outcome.FAIL, text, (), (text,)))
    hostile = judged.verdict(experiment=text, sentence=text, claims=(claim,), evidence=(text,))
    written = markdown(record, hostile)
    written.encode()
    plain = markdown(record, judged.verdict(claims=judged.CLAIMS[:1], evidence=("x",)))
    assert written.count("\n") == plain.count("\n")
    (row,) = (line for line in written.splitlines() if line.startswith("| ❌"))
    assert row.count("|") == 6
    outside = written.replace("<br>", "").replace("<sub>", "").replace("</sub>", "")
    assert "<" not in outside
    assert "](" not in written


@given(st.text(st.characters(exclude_categories=[])))
def test_a_terminal_obeys_nothing_in_the_summary(text: str) -> None:
    claim = Claim(text, "slo", "run", Finding(Outcome.PASS, text))
    for line in summary_text(judged.verdict(experiment=text, sentence=text, claims=(claim,))):
        assert len(line.splitlines()) == 1
        assert "\x1b" not in line
