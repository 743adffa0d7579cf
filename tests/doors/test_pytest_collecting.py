"""What pytest collects as experiments, and the fixtures they get."""

from __future__ import annotations

import resource

import pytest

from tests.doors.project import SLO, Project

COLLECT = ("--collect-only", "-q")


def items(out: str) -> list[str]:
    return [line for line in out.splitlines() if "::" in line]


class TestWhatIsCollected:
    OTHERS = "kind: Experiment\nspec: {}\n"
    SUITE = (
        "apiVersion: sloproof/v1\nkind: Suite\nmetadata: {name: day}\n"
        "spec:\n"
        "  steps:\n"
        "    - {experiment: slow}\n"
        "    - {name: look, manual: {do: Look., by: operator, within: 1m}}\n"
        "  gate: {probes: []}\n"
    )

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

    def test_what_a_run_left_is_no_experiment(self, project: Project) -> None:
        file = project.experiment()
        project.write("runs/r1/experiment.yaml", f"{file.read_text()}---\n{SLO}")
        project.write("runs/r1/events.jsonl", "")
        done = project.pytest(".", *COLLECT)
        assert items(done.out) == ["experiments/slow.yaml::slo:steady"]
        assert done.status == 0

    def test_a_suite_only_when_it_is_named(self, project: Project) -> None:
        project.experiment()
        file = project.write("experiments/day.yaml", self.SUITE)
        project.answer(file, {"x": "FAIL"})
        own = items(project.pytest("experiments", *COLLECT).out)
        assert own == ["experiments/slow.yaml::slo:steady"]
        named = project.pytest("experiments/day.yaml")
        assert named.has(failed=1, error=2), named.out  # nothing is told of the others
        assert "day ended FAIL" in named.out

    def test_a_suite_has_the_claims_of_its_experiments(self, project: Project) -> None:
        project.experiment()
        project.write("experiments/day.yaml", self.SUITE)
        found = items(project.pytest("experiments/day.yaml", *COLLECT, "-p", "no:randomly").out)
        names = ("slow/slo:steady", "look/manual", "verdict")
        assert found == [f"experiments/day.yaml::{name}" for name in names]

    def test_a_suite_that_cannot_be_read_is_an_error(self, project: Project) -> None:
        project.experiment()
        project.write("experiments/day.yaml", self.SUITE.replace("slow", "slwo"))
        done = project.pytest("experiments/day.yaml", *COLLECT)
        assert 'no experiment is called "slwo"' in done.out
        assert 'did you mean "slow"?' in done.out

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
    SECRET = "{token: {env: NOT_SET_HERE, secret: true}, pause: {env: NOR_THIS}}"
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

    def test_what_the_environment_lacks_may_come_from_a_fixture(self, project: Project) -> None:
        text = "@pytest.fixture(scope='session')\ndef sloproof_variables():\n    return {values}\n"
        project.write(
            "conftest.py",
            f"import pytest\n{text}".format(values={"token": "hush-hush", "pause": "1s"}),
        )
        file = project.experiment(variables=self.SECRET)
        changed = file.read_text().replace("baseline: 1s", "baseline: $(pause)")
        file.write_text(changed.replace("spec:", "spec:\n  hypothesis: a $(token)", 1))
        done = project.pytest("experiments")
        assert done.has(passed=1), done.out
        (call,) = project.calls()
        assert "token=hush-hush" in call["argv"]

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
