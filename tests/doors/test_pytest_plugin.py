"""Each promise of the design about `pytest experiments/`, tried as a user would."""

from __future__ import annotations

import contextlib
import json
import os
import re
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.doors.project import PLUGIN, ROOT, Project, install, wait_until

COLLECT = ("--collect-only", "-q")


def items(out: str) -> list[str]:
    return [line for line in out.splitlines() if "::" in line]


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


class TestWhatIsCollected:
    OTHERS = "kind: Experiment\nspec: {}\n"
    SUITE = "apiVersion: sloproof/v1\nkind: Suite\nmetadata: {name: day}\n"

    def test_nothing_without_an_argument_or_the_ini_option(self, project: Project) -> None:
        project.experiment()
        assert items(project.pytest(*COLLECT).out) == []

    def test_what_the_ini_option_names(self, project: Project) -> None:
        project.experiment()
        with (project.path / "pytest.ini").open("a") as ini:
            ini.write("sloproof_paths = experiments\ntestpaths = tests\n")
        project.write("tests/test_it.py", "def test_it(): pass\n")
        found = ["tests/test_it.py::test_it", "experiments/slow.yaml::slo:steady"]
        assert items(project.pytest(*COLLECT).out) == found
        assert items(project.pytest("tests", *COLLECT).out) == found[:1]

    @pytest.mark.parametrize(
        "argument",
        ["experiments", ".", "experiments/slow.yaml", "experiments/slow.yaml::slo:steady"],
    )
    def test_what_an_argument_names(self, project: Project, argument: str) -> None:
        project.experiment()
        found = items(project.pytest(argument, *COLLECT).out)
        assert found == ["experiments/slow.yaml::slo:steady"]

    def test_others_yaml_stays_untouched(self, project: Project) -> None:
        project.write("experiments/theirs.yaml", self.OTHERS)
        project.write("experiments/broken.yaml", "{[: not even YAML")
        project.write("experiments/late.yaml", f"{'#' * 4096}\napiVersion: sloproof/v1\n")
        project.write("experiments/inside.yaml", "a:\n  apiVersion: sloproof/v1\n  kind: Suite\n")
        project.experiment()
        done = project.pytest("experiments", *COLLECT)
        assert items(done.out) == ["experiments/slow.yaml::slo:steady"]
        assert done.status == 0

    def test_a_suite_only_when_it_is_named(self, project: Project) -> None:
        file = project.write("experiments/day.yaml", self.SUITE)
        project.answer(file, {"x": "FAIL"})
        assert items(project.pytest("experiments", *COLLECT).out) == []
        named = project.pytest("experiments/day.yaml")
        assert named.has(failed=1), named.out
        assert "day ended FAIL" in named.out

    def test_labels_select(self, project: Project) -> None:
        project.experiment("a", labels="{tier: ci, app/x: y}")
        project.experiment("b", labels="{tier: nightly}")
        project.experiment("c")
        done = project.pytest("experiments", *COLLECT, "--strict-markers", "-m", 'label(tier="ci")')
        assert items(done.out) == ["experiments/a.yaml::slo:steady"]
        done = project.pytest("--markers")
        assert "label(**labels)" in done.out

    def test_names_select(self, project: Project) -> None:
        project.experiment(claims={"a": "PASS", "b": "PASS"})
        assert project.pytest("experiments", "-k", "slo:b or nothing").has(passed=1, deselected=1)

    def test_failed_ones_again(self, project: Project) -> None:
        project.experiment(claims={"a": "PASS", "b": "FAIL"})
        project.pytest("experiments")
        again = project.pytest("experiments", "--lf", "-v")
        assert "slow.yaml::slo:b FAILED" in again.out
        assert "slo:a" not in again.out

    def test_collecting_imports_nothing_heavy(self, project: Project) -> None:
        project.experiment()
        heavy = ["locust", "gevent", "pandas", "pyarrow", "docker", "kubernetes", "altair"]
        project.write(
            "conftest.py",
            "import sys\n"
            "def pytest_collection_finish(session):\n"
            f"    print('HEAVY', sorted(set({heavy}) & set(sys.modules)))\n",
        )
        assert "HEAVY []" in project.pytest("experiments", "--collect-only").out

    def test_a_hundred_are_collected_in_a_second(self, project: Project) -> None:
        (project.path / "empty").mkdir()
        for n in range(100):
            project.experiment(f"e{n}")
        began = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
        project.pytest("empty", *COLLECT)
        between = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
        done = project.pytest("experiments", *COLLECT)
        ended = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
        assert "100 tests collected" in done.out
        above = (ended - between) - (between - began)
        assert above < 2, "the goal is 1 s on a machine with nothing else to do"


class TestFixtures:
    CONFTEST = """
import pytest

@pytest.fixture(scope="session")
def stack():
    print("STACK UP")
    yield {"port": 8123}
    print("STACK DOWN")

@pytest.fixture(scope="session")
def sloproof_variables(stack):
    return {"port": stack["port"], "fast": True}
"""

    def test_the_experiments_fixtures_are_used(self, project: Project) -> None:
        project.write(
            "conftest.py", self.CONFTEST.partition('@pytest.fixture(scope="session")\ndef sl')[0]
        )
        project.experiment(fixtures="[stack]")
        done = project.pytest("experiments", "-s")
        assert done.status == 0, done.out
        assert done.out.index("STACK UP") < done.out.index("STACK DOWN")

    def test_a_fixture_that_is_not_there_is_an_error(self, project: Project) -> None:
        project.experiment(fixtures="[stack]")
        done = project.pytest("experiments")
        assert done.has(error=1)
        assert "fixture 'stack' not found" in done.out
        assert project.calls() == []

    def test_variables_come_from_a_fixture(self, project: Project) -> None:
        project.write("conftest.py", self.CONFTEST)
        project.experiment(variables="{port: 80, fast: false}")
        done = project.pytest("experiments")
        assert done.status == 0, done.out
        assert project.calls()[0]["argv"][-4:] == ["--set", "port=8123", "--set", "fast=true"]

    def test_showing_fixtures_runs_nothing(self, project: Project) -> None:
        project.experiment()
        assert project.pytest("experiments", "--setup-plan").status == 0
        assert project.calls() == []


class TestBesideOtherPlugins:
    def test_any_order(self, project: Project) -> None:
        project.experiment("a", claims={"x": "PASS", "y": "PASS"})
        project.experiment("b", claims={"x": "PASS", "y": "PASS"}, target="other")
        done = project.pytest("experiments", plugins=["randomly"])
        assert done.has(passed=4), done.out
        assert len(project.calls()) == 2

    def test_a_rerun_is_judged_by_the_same_record(self, project: Project) -> None:
        project.write("rerun.py", RERUNS)
        project.experiment(claims={"x": "FAIL"})
        done = project.pytest("experiments", "-p", "rerun")
        assert done.has(failed=3), done.out
        assert len(project.calls()) == 1

    @pytest.mark.parametrize("dist", ["load", "loadgroup", "loadfile"])
    def test_one_target_stays_on_one_worker(self, project: Project, dist: str) -> None:
        for name in ("a", "b"):
            project.experiment(name, claims={"x": "PASS", "y": "FAIL"}, takes=0.3)
        project.experiment("c", target="other", claims={"x": "PASS"}, takes=0.3)
        project.write("tests/test_it.py", "def test_it(): pass\n")
        done = project.pytest(
            "experiments", "tests", "-n2", f"--dist={dist}", "--junitxml=out.xml", plugins=["xdist"]
        )
        assert done.has(passed=4, failed=2), done.out
        assert len(project.calls()) == 3
        spans = {
            Path(call["argv"][1]).name: (call["began"], end["ended"])
            for call in project.calls()
            for end in project.ends()
            if end["file"] == Path(call["argv"][1]).name
        }
        first, second = sorted([spans["a.yaml"], spans["b.yaml"]])
        assert first[1] <= second[0], "two runs shared a target"
        assert "experiments/c.yaml" in done.out.partition("= sloproof =")[2]
        assert "a.yaml::slo:y.outcome" in (project.path / "out.xml").read_text()

    def test_workers_end_the_session_too(self, project: Project) -> None:
        project.experiment(status=5, unreverted=["toxic slow: delete it by hand"])
        done = project.pytest("experiments", "-n1", plugins=["xdist"])
        assert done.status == 15, done.out
        assert "toxic slow: delete it by hand" in done.out

    def test_a_conftest_may_name_the_plug_in(self, project: Project, tmp_path: Path) -> None:
        install(tmp_path, "sloproof", PLUGIN, PLUGIN)
        project.write("conftest.py", f"pytest_plugins = ['{PLUGIN}']\n")
        project.experiment()
        done = installed_pytest(project, tmp_path, "experiments")
        assert done.returncode == 0, done.stdout + done.stderr
        assert "1 passed" in done.stdout

    @pytest.mark.parametrize("first", ["sloproof", "locust"])
    def test_locusts_plug_in_is_kept_out(
        self, project: Project, tmp_path: Path, first: str
    ) -> None:
        if first == "locust":
            install(tmp_path / "earlier", "early", "locust", "pytest_locust.plugin")
        install(tmp_path / "later", "sloproof", PLUGIN, PLUGIN)
        project.write("conftest.py", TAKES_HOST)
        sites = (tmp_path / "earlier", tmp_path / "later")
        done = installed_pytest(project, *sites, "--host=here", "--fixtures")
        assert done.returncode == 0, done.stdout + done.stderr
        assert "sloproof_variables" in done.stdout
        assert "fastsession" not in done.stdout


class TestTheChild:
    def test_it_leads_a_group_of_its_own(self, project: Project) -> None:
        project.experiment()
        project.pytest("experiments")
        assert project.calls()[0]["group"]

    def test_a_timeout_interrupts_it_and_waits_for_the_revert(self, project: Project) -> None:
        project.experiment(claims={"a": "PASS", "b": "INCONCLUSIVE"}, takes=600, reverts_for=0.3)
        done = project.pytest("experiments", "--timeout=1", plugins=["pytest_timeout"])
        assert project.signals() == ["SIGINT"]
        assert done.has(error=2), done.out
        assert "Timeout" in done.out
        assert len(project.calls()) == 1

    @pytest.mark.parametrize(
        ("sent", "gets", "status"),
        [
            (signal.SIGINT, "SIGINT", 2),
            (signal.SIGTERM, "SIGTERM", -15),
            (signal.SIGKILL, "SIGTERM", -9),
        ],
    )
    def test_it_reverts_when_pytest_goes(
        self, project: Project, sent: signal.Signals, gets: str, status: int
    ) -> None:
        project.experiment(takes=600, reverts_for=0.2)
        with running(project) as process:
            process.send_signal(sent)
            out, _ = process.communicate(timeout=60)
        assert process.returncode == status, out
        wait_until(lambda: project.signals() == [gets])

    def test_a_second_interrupt_does_not_cut_the_reversal_short(self, project: Project) -> None:
        project.experiment(takes=600, reverts_for=1)
        with running(project) as process:
            for _ in range(3):
                process.send_signal(signal.SIGINT)
                time.sleep(0.2)
            process.communicate(timeout=60)
        assert project.signals() == ["SIGINT"]

    def test_an_interrupted_run_that_left_something_ends_with_15(self, project: Project) -> None:
        project.experiment(takes=600, status=5, unreverted=["toxic slow"])
        with running(project) as process:
            process.send_signal(signal.SIGINT)
            out, _ = process.communicate(timeout=60)
        assert process.returncode == 15, out
        assert "toxic slow" in out


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


RERUNS = """
from _pytest.runner import runtestprotocol

def pytest_runtest_protocol(item, nextitem):
    for _ in range(3):
        for report in runtestprotocol(item, nextitem=nextitem, log=False):
            item.ihook.pytest_runtest_logreport(report=report)
        item._initrequest()
    return True
"""
TAKES_HOST = """
import pytest

def pytest_addoption(parser):
    parser.addoption("--host", action="store")

@pytest.fixture
def session(): ...
"""


def installed_pytest(project: Project, *words: Path | str) -> subprocess.CompletedProcess[str]:
    """Pytest with all plug-ins that are installed, those at the paths among `words` before."""
    sites = [str(word) for word in words if isinstance(word, Path)]
    return subprocess.run(
        [sys.executable, "-m", "pytest", *(word for word in words if isinstance(word, str))],
        cwd=project.path,
        env={**os.environ, "PYTHONPATH": ":".join([*sites, str(ROOT)])},
        capture_output=True,
        text=True,
        check=False,
    )


@contextlib.contextmanager
def running(project: Project) -> Iterator[subprocess.Popen[str]]:
    """Pytest in the project, once its experiment runs; gone afterwards."""
    process = subprocess.Popen(
        project.command("experiments"),
        cwd=project.path,
        env=project.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        wait_until(lambda: len(project.calls()) == 1)
        yield process
    finally:
        process.kill()
        process.communicate()
