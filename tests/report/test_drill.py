"""The report of a suite: what an auditor asks for stands in it, and nothing in it can do harm."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sloproof.judge.drill import Correction, Loss, StepVerdict, SuiteVerdict
from sloproof.model.verdict import Claim, Finding, Number, Outcome
from sloproof.record.suite import SuiteRecord, SuiteWriter, review
from sloproof.report.drill import targets, write_suite_report
from sloproof.report.junit import junit_xml
from sloproof.report.markdown import drill_markdown
from sloproof.spec.suite import Participant, Plan, Step, Suite
from tests.report.judged import HOSTILE
from tests.report.sample import parse_xml
from tests.report.test_junit import check_schema
from tests.report.test_page import check_harmless

WALL = 1_790_000_000_000_000_000
BACK = Claim(
    "recovery:back",
    "recovery",
    "run",
    Finding(
        Outcome.FAIL,
        "it took too long",
        (
            Number("rto", 6.5, "s", low=6.1, high=6.5, limits=("rto target",)),
            Number("rpo", 0.2, "s", low=0.1, high=0.2, limits=("rpo target",)),
            Number("rto target", 5, "s"),
            Number("rpo target", 1, "s"),
        ),
    ),
)
RUN = StepVerdict(
    name="kill",
    kind="experiment",
    outcome=Outcome.FAIL,
    reason="it took too long",
    begun_s=1,
    ended_s=9,
    run="r1",
    seal="ab" * 32,
    claims=(BACK,),
)
LOOK = StepVerdict(
    name="look",
    kind="manual",
    outcome=Outcome.PASS,
    reason="confirmed by Ada",
    begun_s=9,
    ended_s=12,
    do="Look whether it is well.",
    by="Ada",
    note="all is well",
    confirmed_ns=WALL,
)
SUITE = Suite(
    name="drill",
    origin="experiments/suites/drill.yaml",
    steps=(Step(name="kill", experiment="kill"),),
    plan=Plan(version="2.7", owner="Operations", approved="2026-10-01"),
    participants=(Participant(name="Grace", role="incident commander"),),
)
LOST = Loss(
    step="kill",
    run="r1",
    claims=("data_loss:x", "recovery:back"),
    outcome=Outcome.FAIL,
    lost=3,
    acknowledged=333,
    counts=(),
    notes=("id 7",),
)
VERDICT = SuiteVerdict(
    run="drill-1",
    suite="drill",
    outcome=Outcome.FAIL,
    sentence="FAIL: 0 of 1 run passed.",
    steps=(RUN, LOOK),
    claims=(BACK,),
    across=(),
    losses=(LOST,),
    deviations=(),
    corrections=(
        Correction(
            id="kill/recovery:back",
            outcome=Outcome.FAIL,
            reason="it took too long",
            owner="Operations",
            retest="2026-12-01",
        ),
    ),
    evidence=(),
)


@pytest.fixture
def record(tmp_path: Path) -> SuiteRecord:
    writer = SuiteWriter(tmp_path / "suite")
    writer.json("suite.json", {"python": "3.11", "memory_bytes": 1 << 30, "seed": None})
    writer.event(0, "suite.started", run="drill-1", suite="drill", wall_ns=WALL, version="0.1")
    writer.event(12_000_000_000, "suite.finished", how="completed", reason="")
    writer.seal()
    return SuiteRecord(tmp_path / "suite")


def page(record: SuiteRecord, verdict: SuiteVerdict = VERDICT, suite: Suite = SUITE) -> str:
    path = record.folder / "report.html"
    write_suite_report(record, suite, verdict, path)
    return path.read_text(encoding="utf-8")


def test_what_an_auditor_asks_for_is_there(record: SuiteRecord) -> None:
    words = " ".join(check_harmless(page(record)).words.split())
    for each in (
        "FAIL",
        "Plan version2.7",
        "Approved2026-10-01",
        "incident commanderGrace",
        "all is well",
        "2026-09-21",
        "3 of 333 acknowledged lost",
        "id 7",
        "ab" * 32,
        "kill/recovery:back",
        "to be decided",
        "Operations",
        "2026-12-01",
        "Not signed yet.",
        "None: every step was taken as it was planned.",
        "1 GiB",
    ):
        assert each in words, each


def test_targets_stand_beside_their_own_actuals() -> None:
    rows = [(row.required, row.measured, row.bounds) for row in targets(RUN)]
    assert rows == [
        ("≤ 5 s", "6.5 s", "6.1 s to 6.5 s"),
        ("≤ 1 s", "200 ms", "100 ms to 200 ms"),
    ]


def test_what_was_decided_afterwards_takes_the_place_of_the_default(record: SuiteRecord) -> None:
    said = {"claim": "kill/recovery:back", "action": "Shorten it.", "owner": "Ada"}
    review(record.folder, WALL, "action", **said, retest="2026-11-11")
    review(record.folder, WALL, "action", claim="", action="Train more people.")
    review(record.folder, WALL, "signed", by="Grace", role="incident commander", note="Accepted.")
    head = SuiteRecord(record.folder).review_head
    words = " ".join(check_harmless(page(SuiteRecord(record.folder))).words.split())
    for each in ("Shorten it.", "Ada", "2026-11-11", "Train more people.", "Accepted.", head):
        assert each in words
    assert "Not signed yet." not in words
    assert "2026-12-01" not in words


def test_nothing_that_people_write_is_markup(record: SuiteRecord) -> None:
    suite = replace(SUITE, description=HOSTILE, participants=(Participant(name=HOSTILE, role="x"),))
    steps = (replace(RUN, reason=HOSTILE), replace(LOOK, note=HOSTILE, by=HOSTILE))
    check_harmless(page(record, replace(VERDICT, steps=steps), suite))


@pytest.mark.parametrize(
    ("loss", "words", "bad"),
    [
        (LOST, "3 of 333 acknowledged lost", True),
        (replace(LOST, outcome=Outcome.PASS), "3 of 333 acknowledged lost", False),
        (replace(LOST, lost=0), "none of 333 acknowledged lost", False),
        (replace(LOST, lost=None), "could not be told", False),
    ],
)
def test_lost_writes_are_told_with_their_total(
    record: SuiteRecord, loss: Loss, words: str, bad: bool
) -> None:
    text = page(record, replace(VERDICT, losses=(loss,)))
    assert words in text
    assert ('<div class="bad"><dt>Writes lost' in text) is bad


def test_nothing_to_do_is_not_said_of_what_did_not_pass(record: SuiteRecord) -> None:
    assert "everything passed" not in page(record, replace(VERDICT, corrections=()))


def test_an_outcome_stands_once_for_all_figures_of_its_claim() -> None:
    assert [row.rows for row in targets(RUN)] == [2, 0]


def test_a_run_with_a_report_of_its_own_is_linked(record: SuiteRecord) -> None:
    assert "href" not in page(record)
    step = replace(RUN, run="r2", kind="gate")
    (record.folder / "records" / "r2").mkdir()
    (record.folder / "records" / "r2" / "report.html").write_text("")
    assert 'href="records/r2/report.html"' in page(record, replace(VERDICT, steps=(step,)))


def test_a_step_that_was_never_begun_has_no_place_in_time(record: SuiteRecord) -> None:
    never = replace(RUN, begun_s=None, ended_s=None, run="")
    assert "<i style" not in page(record, replace(VERDICT, steps=(never,)))


def test_a_drills_summaries_show_its_verdict_and_every_step(tmp_path: Path) -> None:
    """A first manual step that failed ends the drill without any run."""
    writer = SuiteWriter(tmp_path / "suite")
    writer.event(0, "suite.started", run="drill-1", suite="drill", wall_ns=WALL)
    writer.seal()
    record = SuiteRecord(writer.folder)
    failed = replace(LOOK, outcome=Outcome.FAIL, reason="said to have failed by Ada", note="no")
    verdict = replace(VERDICT, steps=(failed,), claims=(), losses=(), corrections=())
    tree = parse_xml(junit_xml([], drill=(record, verdict)))
    assert (tree.get("tests"), tree.get("failures")) == ("2", "2")
    assert [case.get("name") for case in tree.iter("testcase")] == ["verdict", "look/manual"]
    check_schema(tree)
    text = drill_markdown(record, verdict)
    assert text.startswith("### ❌ FAIL: drill\n")
    assert "| ❌ FAIL | `look` | manual | said to have failed by Ada: no |" in text
