"""`sloproof run`: what it writes, what it says, and how it ends."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from sloproof.doors.ending import gravest
from sloproof.errors import BrokenRecord, HarnessError, NotReverted, UsageError
from sloproof.run.load.spec import Workers
from tests.doors.project import Project
from tests.doors.rooms import CommandLine, Fate, Rooms, begin_record


@pytest.mark.parametrize(
    ("fate", "status"),
    [
        (Fate(), 0),
        (Fate(outcome="FAIL"), 1),
        (Fate(outcome="INCONCLUSIVE"), 3),
        (Fate(undecidable="20 requests can't show 99.99%"), 2),
        (Fate(raises=UsageError("the record's folder is taken")), 2),
        (Fate(outcome="INCONCLUSIVE", how="stopped", reason="error rate"), 3),
        (Fate(outcome="PASS", how="stopped", reason="error rate"), 3),
        (Fate(outcome="FAIL", how="stopped", reason="error rate"), 1),
        (Fate(outcome="INCONCLUSIVE", how="interrupted", reason="SIGINT"), 3),
        (Fate(outcome="FAIL", how="interrupted", reason="SIGINT"), 1),
        (Fate(outcome="INCONCLUSIVE", how="failed", reason="no proxy"), 4),
        (Fate(outcome="FAIL", how="failed", reason="no proxy"), 4),
        (Fate(raises=HarnessError("target is busy")), 4),
        (Fate(raises=RuntimeError("a defect")), 4),
        (Fate(judging_raises=BrokenRecord("cut")), 4),
        (Fate(outcome="PASS", unreverted=("toxic slow: delete it",)), 5),
        (Fate(how="failed", unreverted=("toxic slow: delete it",)), 5),
        (Fate(judging_raises=BrokenRecord("cut"), unreverted=("toxic slow",)), 5),
        (Fate(judging_raises=RuntimeError("a defect"), unreverted=("toxic slow",)), 5),
        (Fate(raises=NotReverted("an older run left a toxic")), 5),
    ],
)
def test_exit_statuses(
    sloproof: CommandLine, rooms: Rooms, project: Project, fate: Fate, status: int
) -> None:
    rooms.fates = {"slow": fate}
    ended = sloproof("run", project.experiment("slow"), "--json")
    assert ended.status == status, ended.err
    body = json.loads(ended.out)
    assert body["exit_status"] == status
    assert "Traceback" not in ended.err


def test_a_run_that_never_began_is_told_in_one_line(
    sloproof: CommandLine, rooms: Rooms, project: Project
) -> None:
    rooms.fates = {"slow": Fate(outcome="INCONCLUSIVE", how="failed", reason="nobody listens")}
    ended = sloproof("run", project.experiment("slow"), "--no-report")
    assert ended.out == "ERROR  slow: nobody listens\n  runs/run-slow\n"


@pytest.mark.parametrize(
    ("outcomes", "status", "ran"),
    [
        ([Fate(), Fate()], 0, 2),
        ([Fate(outcome="INCONCLUSIVE"), Fate()], 3, 2),
        ([Fate(outcome="INCONCLUSIVE"), Fate(outcome="FAIL")], 1, 2),
        ([Fate(outcome="FAIL"), Fate(raises=HarnessError("busy"))], 4, 2),
        ([Fate(raises=HarnessError("busy")), Fate()], 4, 2),
        ([Fate(unreverted=("toxic",)), Fate(outcome="FAIL")], 5, 1),
        ([Fate(outcome="INCONCLUSIVE", how="interrupted"), Fate(outcome="FAIL")], 3, 1),
    ],
)
def test_several_experiments_run_one_after_the_other(
    sloproof: CommandLine,
    rooms: Rooms,
    project: Project,
    outcomes: list[Fate],
    status: int,
    ran: int,
) -> None:
    names = [chr(ord("a") + n) for n in range(len(outcomes))]
    rooms.fates = dict(zip(names, outcomes, strict=True))
    files = [project.experiment(name) for name in names]
    ended = sloproof("run", *files, "--json")
    assert ended.status == status
    assert [name for name, _ in rooms.ran] == names[:ran]
    body = json.loads(ended.out)
    assert body["exit_status"] == status
    assert [each["experiment"] for each in body["runs"]] == names[:ran]
    assert ("not run" in ended.err) == (ran < len(names))


@pytest.mark.parametrize(
    ("statuses", "together"),
    [([], 0), ([0, 3], 3), ([3, 1], 1), ([1, 4], 4), ([4, 5], 5), ([0, 2], 2), ([1, 2, 3], 1)],
)
def test_the_gravest_status_counts(statuses: list[int], together: int) -> None:
    assert gravest(statuses) == together


def test_the_object_of_one_run(sloproof: CommandLine, rooms: Rooms, project: Project) -> None:
    rooms.fates = {"slow": Fate(outcome="FAIL")}
    ended = sloproof("run", project.experiment("slow"), "--json")
    record = project.path / "runs" / "run-slow"
    assert json.loads(ended.out) == {
        "experiment": "slow",
        "run": "run-slow",
        "record": "runs/run-slow",
        "outcome": "FAIL",
        "exit_status": 1,
        "sentence": "slow is FAIL",
        "claims": [
            {
                "id": "slo:steady",
                "check": "slo",
                "window": "run",
                "outcome": "FAIL",
                "reason": "half was good: False",
                "numbers": [
                    {"name": "good", "value": 0.5, "unit": "ratio", "low": 0.4, "high": 0.6}
                ],
                "notes": ["a note"],
                "unattributed": False,
            }
        ],
        "how": "completed",
        "reason": "",
        "lacking": False,
        "unreverted": [],
        "report": "runs/run-slow/report.html",
    }
    assert (record / "verdict.json").read_text() == '{"a": 1}\n'
    assert (record / "report.html").exists()
    assert "sloproof: slow: starts" in ended.err
    assert "Slow is FAIL" in ended.err


def test_people_get_a_summary_and_the_reports_path(
    sloproof: CommandLine, rooms: Rooms, project: Project
) -> None:
    rooms.fates = {"slow": Fate(how="stopped", reason="error rate above 50%")}
    ended = sloproof("run", project.experiment("slow"))
    assert "Slow is PASS" in ended.out
    assert "the run was stopped: error rate above 50%" in ended.out
    assert "runs/run-slow/report.html" in ended.out


def test_options_reach_the_engine(sloproof: CommandLine, rooms: Rooms, project: Project) -> None:
    file = project.experiment("slow", variables="{delay: 1s}")
    file.write_text(file.read_text().replace("baseline: 1s", "baseline: $(delay)"))
    words = ["--runs", "kept", "--load-workers", 3, "--seed", 7, "--set", "delay=2s", "--no-report"]
    assert sloproof("run", file, *words).status == 0
    ((_, options),) = rooms.ran
    assert (options.runs, options.workers, options.seed) == (Path("kept"), Workers(3), 7)
    assert rooms.reports == []


def test_junit_and_markdown_are_written(
    sloproof: CommandLine, rooms: Rooms, project: Project
) -> None:
    rooms.fates = {"b": Fate(outcome="FAIL")}
    files = [project.experiment("a"), project.experiment("b")]
    sloproof("run", *files, "--junit", "out/junit.xml", "--markdown", "out/summary.md")
    tree = ElementTree.parse(project.path / "out" / "junit.xml")  # noqa: S314 - our own file
    assert len(tree.findall(".//failure")) == 1
    text = (project.path / "out" / "summary.md").read_text()
    assert "A is PASS" in text
    assert "B is FAIL" in text


@pytest.mark.parametrize("option", ["--junit", "--markdown"])
@pytest.mark.parametrize(
    ("fate", "status"),
    [(Fate(), 4), (Fate(outcome="FAIL"), 4), (Fate(unreverted=("toxic slow: delete it",)), 5)],
)
def test_a_summary_that_cannot_be_written_hides_nothing(
    sloproof: CommandLine, rooms: Rooms, project: Project, option: str, fate: Fate, status: int
) -> None:
    rooms.fates = {"slow": fate}
    ended = sloproof("run", project.experiment("slow"), option, "/dev/full")
    assert ended.status == status
    assert f"Slow is {fate.outcome}" in ended.out
    assert "/dev/full: can't be written: No space left" in ended.out
    for each in fate.unreverted:
        assert f"NOT REVERTED: {each}" in ended.out


def test_a_place_that_takes_no_files_is_refused_before_anything_starts(
    sloproof: CommandLine, rooms: Rooms, project: Project
) -> None:
    ended = sloproof("run", project.experiment("slow"), "--junit", "/proc/x")
    assert ended.status == 2
    assert ended.err.startswith("/proc/x: --junit: can't be made: /proc takes no files")
    assert rooms.ran == []


@pytest.mark.parametrize("option", ["--junit", "--markdown"])
def test_a_summary_is_not_written_over_an_experiment_nor_into_a_record(
    sloproof: CommandLine, rooms: Rooms, project: Project, option: str
) -> None:
    file = project.experiment("slow")
    before = file.read_text()
    ended = sloproof("run", file, option, file)
    assert (ended.status, file.read_text()) == (2, before)
    assert "is nothing that this option wrote" in ended.err
    record = begin_record(project.path / "runs" / "old", "slow")
    ended = sloproof("run", file, option, record / "new.txt")
    assert ended.status == 2
    assert "lies in the record old" in ended.err
    assert rooms.ran == []
    for _ in range(2):  # its own output it writes over
        assert sloproof("run", file, option, "summary", "--runs", f"r{len(rooms.ran)}").status == 0


@pytest.mark.parametrize("name", ["events.jsonl", "seal.json", "records/new.html"])
def test_a_report_is_not_written_over_evidence(
    sloproof: CommandLine, rooms: Rooms, project: Project, name: str
) -> None:
    record = begin_record(project.path / "runs" / "old", "slow")
    before = (record / "events.jsonl").read_bytes()
    ended = sloproof("report", record, "-o", record / name)
    assert ended.status == 2
    assert "which is evidence" in ended.err
    assert (record / "events.jsonl").read_bytes() == before


def test_labels_select(sloproof: CommandLine, rooms: Rooms, project: Project) -> None:
    project.experiment("a", labels="{tier: ci, drill: monthly}")
    project.experiment("b", labels="{tier: nightly}")
    project.experiment("c")
    assert sloproof("run", "experiments", "--labels", "tier=ci", "-l", "drill=monthly").status == 0
    assert [name for name, _ in rooms.ran] == ["a"]
    none = sloproof("run", "experiments", "--labels", "tier=no")
    assert none.status == 2
    assert "no experiment with tier=no" in none.err


def test_everything_is_validated_before_anything_runs(
    sloproof: CommandLine, rooms: Rooms, project: Project
) -> None:
    good, bad, worse = (project.experiment(name) for name in ("good", "bad", "worse"))
    bad.write_text(bad.read_text().replace("baseline: 1s", "baseline: 5 parsecs"))
    worse.write_text(worse.read_text().replace("rate: 10/s", "rat: 10/s"))
    ended = sloproof("run", good, bad, worse, "--json")
    assert ended.status == 2
    assert rooms.ran == []
    body = json.loads(ended.out)
    assert {each["file"] for each in body["problems"]} == {
        "experiments/bad.yaml",
        "experiments/worse.yaml",
    }
    assert "spec.baseline" in ended.err


def test_what_cant_be_decided_is_refused_unless_allowed(
    sloproof: CommandLine, rooms: Rooms, project: Project
) -> None:
    rooms.fates = {"slow": Fate(outcome="INCONCLUSIVE", undecidable="too few requests")}
    file = project.experiment("slow")
    refused = sloproof("run", file)
    assert refused.status == 2
    assert "slow: slo:steady: too few requests" in refused.err
    assert rooms.ran == []
    assert sloproof("run", file, "--allow-inconclusive").status == 3


def test_a_defect_is_one_line_and_a_file(
    sloproof: CommandLine, rooms: Rooms, project: Project
) -> None:
    rooms.fates = {"slow": Fate(raises=RuntimeError("a defect"))}
    ended = sloproof("run", project.experiment("slow"))
    assert ended.status == 4
    last = ended.out.strip().splitlines()[-1]
    assert "sloproof broke: RuntimeError: a defect (traceback in " in last
    trace = Path(last.removesuffix(")").rpartition(" ")[2])
    assert "RuntimeError: a defect" in trace.read_text()


def test_a_verdict_survives_a_report_that_fails(
    sloproof: CommandLine, rooms: Rooms, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object, **given: object) -> None:
        raise UsageError("page.html:3: unknown tag")

    monkeypatch.setattr("sloproof.report.page.write_report", refuse)
    ended = sloproof("run", project.experiment("slow"), "--json")
    body = json.loads(ended.out)
    assert (ended.status, body["outcome"], body["report"]) == (4, "PASS", None)
    assert body["reason"] == "page.html:3: unknown tag"
