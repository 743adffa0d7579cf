"""The plug-in beside others: random order, reruns, workers, Locust's."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.doors.project import PLUGIN, ROOT, Project, install


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
