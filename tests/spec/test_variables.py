"""Variables come from the file, the environment and the command line; secrets stay hidden."""

from __future__ import annotations

import sys

import pytest

from sloproof.contracts import Duration
from sloproof.errors import InvalidInput
from sloproof.spec import resolved_text
from tests.spec.projects import Project
from tests.spec.shop_files import FOUND

EXPERIMENT = "experiments/slow.yaml"
TARGET = "experiments/targets/shop.yaml"
SECRET = "hush-hush"


def delay_of(project: Project, **variables: str) -> Duration:
    fault = project.load(variables=variables).experiment.faults[0].fault
    delay: Duration = fault.delay  # type: ignore[attr-defined]  # the project's own fault
    return delay


def test_a_variable_has_the_value_of_its_file(project: Project) -> None:
    assert delay_of(project) == Duration.parse("800ms")


def test_the_command_line_overrides_the_file(project: Project) -> None:
    assert delay_of(project, delay="2s") == Duration.parse("2s")


def test_a_variable_comes_from_the_environment(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DELAY", "3s")
    project.change(EXPERIMENT, {"{delay: 800ms}": "{delay: {env: DELAY}}"})
    assert delay_of(project) == Duration.parse("3s")


def test_a_value_that_stands_alone_keeps_its_type(project: Project) -> None:
    project.change(EXPERIMENT, {"{delay: 800ms}": "{delay: 800ms, times: 7}"})
    project.change(EXPERIMENT, {"failure_threshold: 5": "failure_threshold: $(times)"})
    check = project.load(variables={"times": "9"}).experiment.verify[3].check
    assert check.failure_threshold == 9  # type: ignore[attr-defined]  # the project's own check


def test_inside_text_a_variable_is_text(project: Project) -> None:
    project.change(EXPERIMENT, {"hypothesis: When": "hypothesis: After $(delay), when"})
    assert project.load().experiment.hypothesis.startswith("After 800ms, when")


def test_two_dollars_make_one(project: Project) -> None:
    project.change(EXPERIMENT, {"hypothesis: When": "hypothesis: $$(delay) is not replaced. When"})
    assert project.load().experiment.hypothesis.startswith("$(delay) is not replaced.")


def test_the_interpreter_and_the_project_are_known(project: Project) -> None:
    project.change(TARGET, {"command: [$(python), -m, shop, --stop]": "command: [$(project)/x]"})
    target = project.load().target
    assert target.start is not None
    assert target.start.command[0] == sys.executable
    assert target.stop is not None
    assert target.stop.command == (f"{project.root.resolve()}/x",)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"dealy": "1s"}, 'has a variable "dealy"; did you mean "delay"?'),
        ({"unused": "1s"}, 'nothing uses the variable "unused"'),
        ({"python": "/bin/false"}, 'neither experiment nor target has a variable "python"'),
    ],
)
def test_what_is_set_must_be_used(project: Project, given: dict[str, str], said: str) -> None:
    project.change(EXPERIMENT, {"{delay: 800ms}": "{delay: 800ms, unused: 1}"})
    (problem,) = project.problems(variables=given)
    assert problem.startswith("experiments/slow.yaml: --set: ")
    assert said in problem


def test_a_target_has_variables_of_its_own(project: Project) -> None:
    loaded = project.load(variables={"recovery": "60s"})
    assert loaded.target.start is not None
    assert loaded.target.start.command[-1] == "60s"
    assert loaded.variables == {"delay", "recovery"}


class TestASecret:
    @pytest.fixture(autouse=True)
    def secret(self, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("TOKEN", SECRET)
        project.change(
            TARGET,
            {
                "{recovery: 2s}": "{recovery: 2s, token: {env: TOKEN, secret: true}}",
                "{x-client: sloproof}": '{authorization: "Bearer $(token)"}',
            },
        )

    def test_reaches_what_needs_it(self, project: Project) -> None:
        loaded = project.load()
        assert loaded.target.entry.headers["authorization"] == f"Bearer {SECRET}"
        assert set(loaded.secrets.values.values()) == {SECRET}

    def test_never_reaches_the_record(self, project: Project) -> None:
        text = resolved_text(project.load().running(FOUND))
        assert SECRET not in text
        assert "authorization: Bearer ***" in text

    def test_of_an_experiment_never_reaches_the_record_either(self, project: Project) -> None:
        project.change(
            EXPERIMENT,
            {
                "{delay: 800ms}": "{delay: 800ms, word: {value: mellon, secret: true}}",
                "hypothesis: When": "hypothesis: Say $(word). When",
            },
        )
        text = resolved_text(project.load())
        assert "mellon" not in text
        assert "Say ***." in text

    def test_never_reaches_a_message(self, project: Project) -> None:
        project.change(TARGET, {"url: http://127.0.0.1:$(found.ports.gateway)": "url: $(token)"})
        with pytest.raises(InvalidInput) as caught:
            project.load()
        assert SECRET not in str(caught.value)
        assert '"***" is not an address' in str(caught.value)


def test_an_experiments_variable_sets_the_targets_of_the_same_name(project: Project) -> None:
    project.change(TARGET, {"variables: {recovery: 2s}": "variables: {recovery: 2s, words: none}"})
    project.change(TARGET, {"command: [$(python), -m, shop, --stop]": "command: [$(words)]"})
    assert project.load().target.stop.command == ("none",)  # type: ignore[union-attr]  # it has one
    project.change(EXPERIMENT, {"{delay: 800ms}": "{delay: 800ms, words: own}"})
    assert project.load().target.stop.command == ("own",)  # type: ignore[union-attr]  # it has one
    given = project.load(variables={"words": "given"}).target.stop
    assert given.command == ("given",)  # type: ignore[union-attr]  # it has one
