"""Suites judged: from events written by hand and the verdicts of runs, without any system."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from sloproof.contracts import Duration, Ratio
from sloproof.errors import BrokenRecord, UsageError
from sloproof.judge.across import across_claim, too_few_runs
from sloproof.judge.drill import Judged, SuiteVerdict, suite_verdict_json
from sloproof.judge.suite import judge_suite
from sloproof.model.verdict import Claim, Finding, Number, Outcome, Verdict
from sloproof.record.reader import Record
from sloproof.record.suite import SuiteRecord, SuiteWriter, review
from sloproof.record.writer import RecordWriter
from sloproof.spec.suite import Across, Corrective, Manual, Step, Suite

SECOND = 1_000_000_000
WALL = 1_790_000_000 * SECOND  # 2026-09-21
SUITE = Suite(
    name="drill",
    origin="test",
    steps=(
        Step(name="kill", experiment="kill"),
        Step(name="look", manual=Manual(do="Look.", by="operator", within=Duration.of(60))),
    ),
    corrective=Corrective(owner="Ada", retest_within=Duration.of(86_400)),
)
BEGUN = ("step.begun", {"step": "kill", "number": 0, "repetition": 0})
ENDED = ("step.ended", {"step": "kill", "number": 0, "repetition": 0, "how": "completed"})
ASKED = ("manual.asked", {"step": "look", "number": 1, "do": "Look.", "by": "operator"})
SAID = ("manual.confirmed", {"step": "look", "number": 1, "by": "Ada", "wall_ns": WALL})
GATE = ("gate.begun", {"before": "kill"})
GATED = ("gate.ended", {"before": "kill"})
FINISHED = ("suite.finished", {"how": "completed", "reason": ""})

Events = list[tuple[str, dict[str, Any]]]


def claim(outcome: Outcome, *numbers: Number, id: str = "slo:x") -> Claim:  # noqa: A002 - a claim's own word
    return Claim(id, id.partition(":")[0], "run", Finding(outcome, "why", numbers, ("a note",)))


def judged(folder: Path, run: str, *claims: Claim) -> Judged:
    """The shortest record of a run, sealed, with a verdict on it."""
    writer = RecordWriter(folder / "suite" / "records" / run)
    writer.event(0, "run.started", run=run, experiment="kill")
    writer.seal()
    outcomes = [each.finding.outcome for each in claims]
    outcome = max(outcomes, key=[Outcome.PASS, Outcome.INCONCLUSIVE, Outcome.FAIL].index)
    verdict = Verdict(run, "kill", outcome, f"{outcome}: said.", claims)
    return Judged(Record(writer.folder), verdict)


def write(writer: SuiteWriter, events: Events, *, sealed: bool = True) -> None:
    writer.event(0, "suite.started", run="drill", suite="drill", wall_ns=WALL)
    for n, (kind, data) in enumerate(events, start=1):
        writer.event(n * SECOND, kind, **data)
    if sealed:
        writer.seal()
    else:
        writer.close()


def verdict_of(
    folder: Path,
    events: Events,
    runs: Mapping[str, tuple[Claim, ...]],
    suite: Suite = SUITE,
    *,
    sealed: bool = True,
) -> SuiteVerdict:
    writer = SuiteWriter(folder / "suite")
    found = {run: judged(folder, run, *claims) for run, claims in runs.items()}
    write(writer, events, sealed=sealed)
    return judge_suite(SuiteRecord(folder / "suite"), suite, found)


def ended(run: str = "r1", **more: object) -> tuple[str, dict[str, Any]]:
    return ENDED[0], {**ENDED[1], "run": run, **more}


PASSED: dict[str, tuple[Claim, ...]] = {"r1": (claim(Outcome.PASS),)}
OUTCOMES: dict[str, tuple[Events, dict[str, tuple[Claim, ...]], str]] = {
    "all is well": ([BEGUN, ended(), ASKED, SAID, FINISHED], PASSED, "PASS"),
    "a run failed": (
        [BEGUN, ended(), ASKED, SAID, FINISHED],
        {"r1": (claim(Outcome.FAIL),)},
        "FAIL",
    ),
    "a run can't tell": (
        [BEGUN, ended(), ASKED, SAID, FINISHED],
        {"r1": (claim(Outcome.INCONCLUSIVE),)},
        "INCONCLUSIVE",
    ),
    "a run left no record": (
        [BEGUN, ended("r2"), ASKED, SAID, FINISHED],
        PASSED,
        "INCONCLUSIVE",
    ),
    "a run was stopped": (
        [BEGUN, ended(how="stopped", reason="errors"), ASKED, SAID, FINISHED],
        PASSED,
        "INCONCLUSIVE",
    ),
    "nobody confirmed": (
        [BEGUN, ended(), ASKED, ("manual.missed", {"step": "look"}), FINISHED],
        PASSED,
        "INCONCLUSIVE",
    ),
    "somebody said that it failed": (
        [BEGUN, ended(), ASKED, (SAID[0], {**SAID[1], "failed": True}), FINISHED],
        PASSED,
        "FAIL",
    ),
    "a step was skipped": (
        [BEGUN, ended(), ("step.skipped", {"step": "look", "number": 1}), FINISHED],
        PASSED,
        "INCONCLUSIVE",
    ),
    "a gate stayed shut": (
        [GATE, (GATED[0], {**GATED[1], "run": "g"}), BEGUN, ended(), ASKED, SAID, FINISHED],
        {**PASSED, "g": (claim(Outcome.FAIL),)},
        "INCONCLUSIVE",
    ),
    "it was interrupted at the very end": (
        [BEGUN, ended(), ASKED, SAID, ("suite.finished", {"how": "interrupted"})],
        PASSED,
        "INCONCLUSIVE",
    ),
    "it died while a run was made": ([BEGUN], {}, "INCONCLUSIVE"),
    "it died between two steps": ([BEGUN, ended()], PASSED, "INCONCLUSIVE"),
}


@pytest.mark.parametrize(("events", "runs", "outcome"), OUTCOMES.values(), ids=OUTCOMES)
def test_what_happened_decides_the_verdict(
    tmp_path: Path, events: Events, runs: dict[str, tuple[Claim, ...]], outcome: str
) -> None:
    verdict = verdict_of(tmp_path, events, runs)
    assert verdict.outcome == outcome
    assert verdict.sentence.startswith(outcome)


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("interrupted", "The run was interrupted: why"),
        ("stopped", "The run was stopped: why"),
        ("failed", "The run failed: why"),
    ],
)
def test_how_a_run_ended_is_told(tmp_path: Path, how: str, words: str) -> None:
    events = [BEGUN, ended(how=how, reason="why"), ASKED, SAID, FINISHED]
    assert verdict_of(tmp_path, events, PASSED).steps[0].reason == f"said. {words}"


def test_without_a_seal_nothing_passes(tmp_path: Path) -> None:
    events = [BEGUN, ended(), ASKED, SAID, FINISHED]
    verdict = verdict_of(tmp_path, events, PASSED, sealed=False)
    assert verdict.outcome == "INCONCLUSIVE"
    assert "has no seal" in verdict.evidence[0]


def test_the_same_record_gives_the_same_bytes(tmp_path: Path) -> None:
    events = [BEGUN, ended(), ASKED, SAID, FINISHED]
    verdict = verdict_of(tmp_path, events, PASSED)
    again = judge_suite(
        SuiteRecord(tmp_path / "suite"),
        SUITE,
        {"r1": Judged(Record(tmp_path / "suite" / "records" / "r1"), _verdict(PASSED["r1"]))},
    )
    assert suite_verdict_json(again) == suite_verdict_json(verdict)


def _verdict(claims: tuple[Claim, ...]) -> Verdict:
    return Verdict("r1", "kill", Outcome.PASS, "PASS: said.", claims)


def test_claims_are_named_after_their_steps_and_the_worst_run_counts(tmp_path: Path) -> None:
    second = (BEGUN[0], {**BEGUN[1], "repetition": 1})
    events = [BEGUN, ended(), second, ended("r2", repetition=1), ASKED, SAID, FINISHED]
    runs = {"r1": (claim(Outcome.PASS),), "r2": (claim(Outcome.FAIL),)}
    verdict = verdict_of(tmp_path, events, runs)
    found = {each.id: each.finding for each in verdict.claims}
    assert set(found) == {"kill/slo:x", "look/manual"}
    assert found["kill/slo:x"].outcome == "FAIL"
    assert found["kill/slo:x"].reason.startswith("1 of 2 runs FAIL")


def test_what_did_not_pass_has_an_owner_and_a_day(tmp_path: Path) -> None:
    runs = {"r1": (claim(Outcome.FAIL), claim(Outcome.PASS, id="slo:y"))}
    verdict = verdict_of(tmp_path, [BEGUN, ended(), ASKED, SAID, FINISHED], runs)
    (correction,) = verdict.corrections
    assert (correction.id, correction.owner, correction.retest) == (
        "kill/slo:x",
        "Ada",
        "2026-09-22",
    )


def counted(lost: int | None, late: int | None = 0) -> tuple[Number, ...]:
    return (
        Number("lost", lost, "count"),
        Number("lost after the fault", late, "count"),
        Number("stale b", 0, "count"),
        Number("duplicated", 1, "count"),
        Number("acknowledged", 333, "count"),
    )


@pytest.mark.parametrize(
    ("numbers", "lost"),
    [(counted(1), 1), (counted(1, 2), 3), (counted(0), 0), (counted(None, None), None)],
)
def test_each_write_of_a_ledger_counts_once_whoever_judges_it(
    tmp_path: Path, numbers: tuple[Number, ...], lost: int | None
) -> None:
    two = (
        claim(Outcome.PASS, *numbers, id="recovery:store"),
        claim(Outcome.FAIL, *numbers, id="data_loss:orders"),
        claim(Outcome.PASS),
    )
    verdict = verdict_of(tmp_path, [BEGUN, ended(), ASKED, SAID, FINISHED], {"r1": two})
    (loss,) = verdict.losses
    assert (loss.step, loss.claims) == ("kill", ("recovery:store", "data_loss:orders"))
    assert (loss.lost, loss.acknowledged, loss.outcome) == (lost, 333, "FAIL")
    assert (loss.counts, loss.notes) == ((("duplicated", 1),), ("a note",))


def test_a_ledger_without_figures_can_not_tell(tmp_path: Path) -> None:
    runs = {"r1": (claim(Outcome.INCONCLUSIVE, id="data_loss"),)}
    (loss,) = verdict_of(tmp_path, [BEGUN, ended(), ASKED, SAID, FINISHED], runs).losses
    assert (loss.lost, loss.acknowledged) == (None, None)


SHUT = [GATE, (GATED[0], {**GATED[1], "run": "g"}), BEGUN, ended(), ASKED, SAID, FINISHED]


@pytest.mark.parametrize(
    ("events", "deviations"),
    [
        ([], [("kill", "not begun"), ("look", "not begun")]),
        ([BEGUN], [("kill", "was begun and not ended"), ("look", "not begun")]),
        ([BEGUN, ended()], [("look", "not begun")]),
        (
            [BEGUN, ended(), ASKED, ("suite.finished", {"how": "interrupted"})],
            [("look", "was begun and not ended")],
        ),
        (
            [BEGUN, ended(), ("step.skipped", {"step": "look", "number": 1})],
            [("look", "not begun")],
        ),
        (SHUT, [("steady state before kill", "the gate stayed shut")]),
        ([BEGUN, ended(), ASKED, SAID, FINISHED], []),
    ],
)
def test_what_was_not_done_is_a_deviation(
    tmp_path: Path, events: Events, deviations: list[tuple[str, str]]
) -> None:
    runs = {**PASSED, "g": (claim(Outcome.FAIL),)}
    found = verdict_of(tmp_path, events, runs).deviations
    assert len(found) == len(deviations), found
    for each, (step, what) in zip(found, deviations, strict=True):
        assert each.step == step
        assert each.what.startswith(what)


@pytest.mark.parametrize(("events", "runs", "outcome"), OUTCOMES.values(), ids=OUTCOMES)
def test_whatever_is_not_passed_asks_for_an_action(
    tmp_path: Path, events: Events, runs: dict[str, tuple[Claim, ...]], outcome: str
) -> None:
    assert bool(verdict_of(tmp_path, events, runs).corrections) is (outcome != "PASS")


# -- general claims over runs


def across(at_least: str = "90%") -> Across:
    return Across(step="kill", claim="slo:x", at_least=Ratio.parse(at_least))


def outcomes(passed: int, failed: int = 0, undecided: int = 0) -> list[Outcome]:
    return [Outcome.PASS] * passed + [Outcome.FAIL] * failed + [Outcome.INCONCLUSIVE] * undecided


@pytest.mark.parametrize(
    ("runs", "at_least", "expected"),
    [
        # 0.9^29 < 5 % < 0.9^28: the figures of docs/drills.md
        (outcomes(29), "90%", "PASS"),
        (outcomes(28), "90%", "INCONCLUSIVE"),
        (outcomes(29, undecided=1), "90%", "INCONCLUSIVE"),
        (outcomes(3), "30%", "PASS"),
        (outcomes(0, failed=2), "90%", "FAIL"),
        (outcomes(0, undecided=2), "90%", "INCONCLUSIVE"),
        (outcomes(5, failed=5), "90%", "FAIL"),
        ([], "90%", "INCONCLUSIVE"),
    ],
)
def test_a_general_claim_takes_the_run_as_its_sample(
    runs: list[Outcome], at_least: str, expected: str
) -> None:
    found = across_claim(across(at_least), runs).finding
    assert found.outcome == expected, found.reason


def test_an_undecided_general_claim_says_how_many_runs_would_do() -> None:
    assert "about 29 runs would do" in across_claim(across(), outcomes(5)).finding.reason


def test_too_few_runs_are_refused_with_the_number_that_would_do() -> None:
    suite = Suite(
        name="drill",
        origin="test",
        steps=(Step(name="kill", experiment="kill", times=28),),
        verify=(across(),),
    )
    (reason,) = too_few_runs(suite)
    assert "28 runs can't show 90% at 95% confidence: 29 that all meet it would" in reason


# -- the record


def damaged(folder: Path, what: str) -> None:
    """One thing that nobody may do to a sealed record."""
    suite = folder / "suite"
    if what == "an event changed":
        text = (suite / "suite.jsonl").read_text()
        (suite / "suite.jsonl").write_text(text.replace("Ada", "Eve"))
    elif what == "a run's record changed":
        seal = suite / "records" / "r1" / "seal.json"
        seal.write_text(seal.read_text() + "\n")
    elif what == "a run's record removed":
        (suite / "records" / "r1").rename(folder / "elsewhere")
    else:
        (suite / "records" / "r9").mkdir()


@pytest.mark.parametrize(
    "what",
    ["an event changed", "a run's record changed", "a run's record removed", "a record added"],
)
def test_a_record_that_was_changed_is_refused(tmp_path: Path, what: str) -> None:
    verdict_of(tmp_path, [BEGUN, ended(), ASKED, SAID, FINISHED], PASSED)
    damaged(tmp_path, what)
    with pytest.raises(BrokenRecord):
        SuiteRecord(tmp_path / "suite")


def test_a_review_is_a_chain_that_begins_with_the_seal(tmp_path: Path) -> None:
    verdict_of(tmp_path, [BEGUN, ended(), ASKED, SAID, FINISHED], PASSED)
    folder = tmp_path / "suite"
    review(folder, WALL, "action", claim="kill/slo:x", action="Repair it.", owner="Ada")
    review(folder, WALL, "signed", by="Grace", role="commander")
    record = SuiteRecord(folder)
    assert [each.kind for each in record.reviews] == ["action", "signed"]
    file = folder / "review.jsonl"
    file.write_text(file.read_text().replace("Repair", "Ignore"))
    with pytest.raises(BrokenRecord):
        assert SuiteRecord(folder).reviews


def test_a_review_of_another_record_is_refused(tmp_path: Path) -> None:
    for name, by in (("a", "Ada"), ("b", "Eve")):
        said = (SAID[0], {**SAID[1], "by": by})
        verdict_of(tmp_path / name, [BEGUN, ended(), ASKED, said, FINISHED], PASSED)
        review(tmp_path / name / "suite", WALL, "signed", by=by)
    (tmp_path / "a" / "suite" / "review.jsonl").rename(tmp_path / "b" / "suite" / "review.jsonl")
    with pytest.raises(BrokenRecord, match="another record"):
        assert SuiteRecord(tmp_path / "b" / "suite").reviews


def test_nobody_reviews_what_has_no_seal(tmp_path: Path) -> None:
    verdict_of(tmp_path, [BEGUN], {}, sealed=False)
    with pytest.raises(UsageError, match="nothing to be reviewed"):
        review(tmp_path / "suite", WALL, "signed", by="Ada")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b'{"n":0', "its last line is cut off"),
        (None, "its last line is cut off"),
    ],
)
def test_a_broken_review_is_refused_and_never_continued(
    tmp_path: Path, content: bytes | None, said: str
) -> None:
    verdict_of(tmp_path, [FINISHED], {})
    folder, file = tmp_path / "suite", tmp_path / "suite" / "review.jsonl"
    review(folder, WALL, "signed", by="Ada", role="", note="")
    file.write_bytes(file.read_bytes()[:-9] if content is None else content)
    before = file.read_bytes()
    with pytest.raises(BrokenRecord, match=said):
        _ = SuiteRecord(folder).reviews
    with pytest.raises(BrokenRecord, match=said):
        review(folder, WALL, "signed", by="Grace", role="", note="")
    assert file.read_bytes() == before


def test_nobody_signs_twice_with_the_same_words(tmp_path: Path) -> None:
    verdict_of(tmp_path, [FINISHED], {})
    said = {"by": "Ada", "role": "operator", "note": ""}
    review(tmp_path / "suite", WALL, "signed", **said)
    with pytest.raises(UsageError, match="Ada has signed it with these very words"):
        review(tmp_path / "suite", WALL + 1, "signed", **said)
    review(tmp_path / "suite", WALL + 1, "signed", **{**said, "note": "read again"})
    assert len(SuiteRecord(tmp_path / "suite").reviews) == 2
