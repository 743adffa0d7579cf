"""What becomes of PASS, FAIL, INCONCLUSIVE and errors in pytest."""

from __future__ import annotations

import json
import re
from xml.etree import ElementTree

import pytest

from tests.doors.project import Project

COLLECT = ("--collect-only", "-q")


def test_each_line_of_verify_is_a_test(project: Project) -> None:
    project.experiment("slow", claims={"steady": "PASS", "fast": "PASS"})
    done = project.pytest("experiments/", "-v")
    assert done.status == 0, done.out
    assert "experiments/slow.yaml::slo:steady PASSED" in done.out
    assert "experiments/slow.yaml::slo:fast PASSED" in done.out


def test_the_run_happens_once_for_all_its_claims(project: Project) -> None:
    file = project.experiment("slow", claims={"steady": "PASS", "fast": "PASS", "far": "PASS"})
    project.pytest("experiments/")
    (call,) = project.calls()
    assert call["argv"] == ["run", str(file), "--json", "--runs", str(project.path / "runs")]


@pytest.mark.parametrize(
    ("outcome", "options", "counts", "status"),
    [
        ("PASS", [], {"passed": 1}, 0),
        ("FAIL", [], {"failed": 1}, 1),
        ("INCONCLUSIVE", [], {"error": 1}, 1),
        ("INCONCLUSIVE", ["--inconclusive=skip"], {"skipped": 1}, 0),
        ("INCONCLUSIVE", ["--inconclusive=error"], {"error": 1}, 1),
    ],
)
def test_outcomes_are_pytests_own(
    project: Project, outcome: str, options: list[str], counts: dict[str, int], status: int
) -> None:
    project.experiment(claims={"steady": outcome})
    done = project.pytest("experiments/", *options)
    assert done.has(**counts), done.out
    assert done.status == status


@pytest.mark.parametrize(
    ("lacking", "options", "counts"),
    [
        (True, [], {"error": 2}),
        (True, ["--lacking=skip"], {"skipped": 2}),
        (False, ["--lacking=skip"], {"error": 2}),
    ],
)
def test_what_a_host_lacks_may_be_a_skip_but_nothing_else_that_failed(
    project: Project, lacking: bool, options: list[str], counts: dict[str, int]
) -> None:
    project.experiment(
        claims={"a": "INCONCLUSIVE", "b": "INCONCLUSIVE"},
        status=4,
        how="failed",
        reason="rules about packets need root",
        lacking=lacking,
    )
    done = project.pytest("experiments/", "-ra", *options)
    assert done.has(**counts), done.out
    word = "LACKING" if lacking else "ERROR"
    assert f"{word:<12} experiments/slow.yaml: rules about packets need root" in done.out


def test_what_was_seen_to_fail_is_no_skip(project: Project) -> None:
    project.experiment(claims={"a": "FAIL"}, status=4, how="failed", reason="no root", lacking=True)
    assert project.pytest("experiments/", "--lacking=skip").has(error=1)


def test_what_is_left_behind_is_no_skip(project: Project) -> None:
    project.experiment(status=5, how="failed", reason="no root", lacking=True)
    assert project.pytest("experiments/", "--lacking=skip").status == 15


def test_claims_of_one_run_differ(project: Project) -> None:
    project.experiment(claims={"a": "PASS", "b": "FAIL", "c": "INCONCLUSIVE"})
    assert project.pytest("experiments/").has(passed=1, failed=1, error=1)


def test_a_failure_says_why_in_a_few_lines_without_a_traceback(project: Project) -> None:
    project.experiment("slow", claims={"steady": "FAIL"})
    done = project.pytest("experiments/")
    said = done.out.partition("= FAILURES =")[2].partition("= sloproof =")[0]
    assert "half of it was good, so FAIL" in said
    assert "good: 50% (40% to 60%)" in said
    assert "runs/slow/report.html" in said
    assert ".py:" not in said
    assert len(said.splitlines()) < 10


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (4, {"outcome": None, "claims": [], "reason": "the proxy is gone"}, "the proxy is gone"),
        (2, {"error": "the load can't reach a verdict", "claims": []}, "can't reach a verdict"),
    ],
)
def test_a_run_that_broke_or_was_refused_is_an_error(
    project: Project, status: int, body: dict[str, object], said: str
) -> None:
    project.experiment(status=status, body=body)
    done = project.pytest("experiments/")
    assert done.has(error=1), done.out
    assert done.status == 1
    assert said in done.out


def test_an_engine_that_says_nothing_is_an_error_with_its_last_words(project: Project) -> None:
    project.experiment(status=1, stdout="no json")
    done = project.pytest("experiments/")
    assert done.has(error=1), done.out
    assert "ended with status 1 and without an answer" in done.out
    assert "slow: baseline" in done.out


def test_a_command_that_is_not_there_is_an_error(project: Project) -> None:
    project.experiment()
    project.write("pytest.ini", "[pytest]\nsloproof_command = no-such-program\n")
    done = project.pytest("experiments/")
    assert done.has(error=1), done.out
    assert "no-such-program: No such file" in done.out


def test_a_claim_the_run_is_silent_about_is_an_error(project: Project) -> None:
    project.experiment(claims={"a": "PASS", "b": "PASS"}, status=0)
    file = project.path / "experiments" / "slow.yaml.answer.json"
    answer = json.loads(file.read_text())
    del answer["body"]["claims"][1]
    file.write_text(json.dumps(answer))
    assert project.pytest("experiments/").has(passed=1, error=1)


def test_what_is_left_behind_ends_the_session_with_15(project: Project) -> None:
    project.experiment("a", target="one", status=5, unreverted=["toxic slow: delete it by hand"])
    project.experiment("b", target="two")
    done = project.pytest("experiments/")
    assert done.status == 15
    assert "toxic slow: delete it by hand" in done.out
    assert len(project.calls()) == 1


def test_an_invalid_file_is_a_collection_error_with_every_problem(project: Project) -> None:
    project.experiment()
    text = (
        "apiVersion: sloproof/v1\nkind: Experiment\nmetadata: {name: bad}\nspec: {target: shop}\n"
    )
    project.write("experiments/bad.yaml", text)
    done = project.pytest("experiments/", *COLLECT)
    assert done.status == 2
    assert "bad.yaml" in done.out
    assert "spec.verify" in done.out
    assert "Traceback" not in done.out
    assert project.calls() == []


class TestTelling:
    def test_numbers_go_into_the_suites_properties(self, project: Project) -> None:
        project.experiment("slow", claims={"steady": "FAIL"})
        project.pytest("experiments", "--junitxml=out.xml", "-o", "junit_family=xunit2")
        tree = ElementTree.parse(project.path / "out.xml")  # noqa: S314 - our own file
        found = {e.get("name"): e.get("value") for e in tree.iterfind(".//testsuite/properties/*")}
        assert found["experiments/slow.yaml::slo:steady.good [ratio]"] == "0.5"
        assert found["experiments/slow.yaml::outcome"] == "FAIL"
        assert tree.find(".//testcase/properties") is None
        failure = tree.find(".//testcase/failure")
        assert failure is not None
        assert "good: 50% (40% to 60%)" in (failure.get("message") or "")

    def test_a_summary_lists_verdicts_and_reports(self, project: Project) -> None:
        project.experiment("a", claims={"x": "PASS"})
        project.experiment("b", claims={"x": "FAIL"}, target="other")
        summary = project.pytest("experiments").out.partition("= sloproof =")[2]
        assert re.search(r"PASS +experiments/a.yaml: a ended PASS\n +runs/a/report.html", summary)
        assert re.search(r"FAIL +experiments/b.yaml: b ended FAIL\n +runs/b/report.html", summary)

    def test_progress_is_shown_where_nothing_is_captured(self, project: Project) -> None:
        project.experiment(takes=0.5)
        assert "sloproof slow.yaml: slow: baseline" in project.pytest("experiments", "-s").out
        assert "slow: baseline" not in project.pytest("experiments").out
