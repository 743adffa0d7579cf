"""Suites as they are read: what they may say, and all that is wrong with one at once."""

from __future__ import annotations

from pathlib import Path

import jsonschema
import pytest
import yaml

from sloproof.errors import InvalidInput
from sloproof.extensions import Extensions
from sloproof.spec import (
    LoadedSuite,
    from_record,
    json_schema,
    load_suite,
    resolved_text,
    suite_from_record,
    suite_text,
)
from sloproof.spec.gates import gate_experiment

ROOT = Path(__file__).parents[2]
EXPERIMENT = """\
apiVersion: sloproof/v1
kind: Experiment
metadata: {name: kill}
spec:
  target: shop
  variables: {delay: 10ms}
  faults: [{inject: latency, where: {from: a, to: web}, with: {delay: $(delay)}, at: 6s, for: 1s}]
  verify: [{steady_state: {}}]
"""
TARGET = """\
apiVersion: sloproof/v1
kind: Target
metadata: {name: shop}
spec:
  platform: local
  variables: {port: 81}
  entry: {url: "http://127.0.0.1:$(port)"}
  services: {web: {instances: [{name: web-1, listens: 81}]}}
  links: [{from: a, to: web, proxy: {server: "http://127.0.0.1:8474", name: p}}]
  probes: [{name: entry, kind: http, params: {url: "http://127.0.0.1:$(port)"}}]
"""
SUITE = """\
apiVersion: sloproof/v1
kind: Suite
metadata: {name: drill, labels: {drill: monthly}}
spec:
  description: What it is for.
  plan: {version: "1.2", owner: Ada, approved: "2026-10-01"}
  participants: [{name: Ada, role: operator}]
  variables: {slow: 20ms}
  target: shop
  steps:
    - experiment: kill
      times: 3
      variables: {delay: $(slow)}
    - manual: {do: Look., by: operator, within: 15m}
      name: look
    - {name: again, experiment: experiments/kill.yaml}
  gate: {probes: [entry], for: 5s, within: 1m}
  on_failure: continue
  verify: [{step: kill, claim: steady_state, at_least: 30%}]
  corrective: {owner: Ada, retest_within: 14d}
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    write(tmp_path, "experiments/kill.yaml", EXPERIMENT)
    write(tmp_path, "experiments/targets/shop.yaml", TARGET)
    write(tmp_path, "experiments/suites/drill.yaml", SUITE)
    return tmp_path


def write(project: Path, name: str, text: str) -> None:
    file = project / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def load(project: Path, **given: str) -> LoadedSuite:
    return load_suite(project / "experiments/suites/drill.yaml", variables=given)


def problems_of(project: Path, **given: str) -> str:
    with pytest.raises(InvalidInput) as refused:
        load(project, **given)
    return str(refused.value)


def test_the_steps_are_those_of_the_file(project: Path) -> None:
    loaded = load(project)
    assert [step.name for step in loaded.suite.steps] == ["kill", "look", "again"]
    kill, look, again = loaded.experiments
    assert kill is not None
    assert again is not None
    assert look is None
    assert kill.experiment.faults[0].fault.fields()["delay"] == "20ms"
    assert again.experiment.faults[0].fault.fields()["delay"] == "10ms"


def test_a_suite_has_its_own_variables(project: Path) -> None:
    kill = load(project, slow="30ms").experiments[0]
    assert kill is not None
    assert kill.experiment.faults[0].fault.fields()["delay"] == "30ms"


def test_it_is_read_back_from_its_record(project: Path) -> None:
    loaded = load(project)
    assert suite_from_record(suite_text(loaded.document)) == loaded.suite


def test_a_gate_is_an_experiment_that_can_be_judged(project: Path) -> None:
    loaded = load(project)
    gate = gate_experiment(loaded.suite.gate, loaded.loaded[0], "gate-kill")
    assert from_record(resolved_text(gate)).experiment == gate.experiment
    assert gate.experiment.load is None
    assert not gate.experiment.faults


WRONG = {
    "a step that is two": (
        "name: look",
        "name: look\n      experiment: kill",
        "spec.steps[1]: needs exactly one of experiment and manual",
    ),
    "an unknown experiment": (
        "experiment: kill\n",
        "experiment: kil\n",
        (
            'spec.steps[0].experiment: no experiment is called "kil" in experiments; '
            'did you mean "kill"?'
        ),
    ),
    "a file that is not there": (
        "experiments/kill.yaml",
        "experiments/kll.yaml",
        "spec.steps[2].experiment: there is no file experiments/kll.yaml",
    ),
    "two steps of one name": (
        "name: again, ",
        "",
        'spec.steps[2]: 2 steps are called "kill": give them names',
    ),
    "a variable that is none": (
        "{delay: $(slow)}",
        "{dely: $(slow)}",
        (
            "spec.steps[0].variables: kill: neither experiment nor target has a variable "
            '"dely"; did you mean "delay"?'
        ),
    ),
    "a manual step with repetitions": (
        "name: look",
        "name: look\n      times: 2",
        "spec.steps[1].times: belongs to an experiment",
    ),
    "a manual step without an end": (
        "within: 15m",
        "within: 0s",
        "spec.steps[1].manual.within: must be longer than nothing",
    ),
    "a manual step that nobody does": (
        "by: operator, ",
        "",
        "spec.steps[1].manual.by: is required",
    ),
    "a key that is misspelt": (
        "on_failure",
        "on_failur",
        'spec.on_failur: unknown key "on_failur"; did you mean "on_failure"?',
    ),
    "a day that is none": (
        "2026-10-01",
        "2026-13-01",
        'spec.plan.approved: "2026-13-01" is not a day (try 2026-03-31)',
    ),
    "a probe that the target has not": (
        "[entry]",
        "[entri]",
        'spec.gate.probes[0]: target shop has no probe "entri"; did you mean "entry"?',
    ),
    "a gate that could never open": (
        "within: 1m",
        "within: 4s",
        "spec.gate.within: is shorter than for (5s)",
    ),
    "a general claim about no step": (
        "step: kill",
        "step: kil",
        'spec.verify[0].step: no experiment\'s step is called "kil"; did you mean "kill"?',
    ),
    "a general claim that nobody makes": (
        "claim: steady_state",
        "claim: steady",
        'spec.verify[0].claim: kill claims no "steady"; did you mean "steady_state"?',
    ),
    "a general claim of certainty": (
        "at_least: 30%",
        "at_least: 100%",
        "spec.verify[0].at_least: must be more than 0% and less than 100%",
    ),
}


@pytest.mark.parametrize(("before", "after", "said"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_said_with_its_place(
    project: Path, before: str, after: str, said: str
) -> None:
    assert SUITE.count(before) == 1
    write(project, "experiments/suites/drill.yaml", SUITE.replace(before, after))
    told = problems_of(project)
    assert said in told
    assert "experiments/suites/drill.yaml:" in told


def test_everything_that_is_wrong_is_said_at_once(project: Path) -> None:
    text = SUITE.replace("kill\n", "kil\n").replace("within: 15m", "within: 15 parsecs")
    write(project, "experiments/suites/drill.yaml", text)
    write(project, "experiments/kill.yaml", EXPERIMENT.replace("at: 6s", "at: 6 parsecs"))
    told = problems_of(project)
    for each in ('called "kil"', '"15 parsecs" is not', '"6 parsecs" is not'):
        assert each in told


def test_a_suite_without_an_experiment_is_refused(project: Path) -> None:
    text = SUITE[: SUITE.index("    - experiment")] + SUITE[SUITE.index("    - manual") :]
    text = text.replace("    - {name: again, experiment: experiments/kill.yaml}\n", "")
    write(project, "experiments/suites/drill.yaml", text)
    assert "spec.steps: needs at least one experiment" in problems_of(project)


def test_a_target_without_probes_needs_a_word_about_the_gate(project: Path) -> None:
    bare = TARGET[: TARGET.index("  probes:")]
    write(project, "experiments/targets/shop.yaml", bare)
    own = SUITE.replace("probes: [entry], ", "")
    write(project, "experiments/suites/drill.yaml", own)
    assert "say probes: [] for no gate" in problems_of(project)
    write(project, "experiments/suites/drill.yaml", SUITE.replace("[entry]", "[]"))
    assert load(project).suite.gate.probes == ()


def test_what_was_given_must_be_used(project: Path) -> None:
    assert 'the suite has no variable "port"' in problems_of(project, port="82")


@pytest.mark.parametrize("file", sorted((ROOT / "experiments" / "suites").glob("*.yaml")), ids=str)
def test_the_schema_knows_the_repositorys_own_suites(file: Path) -> None:
    schema = json_schema(Extensions.of(ROOT))["Suite"]
    jsonschema.validate(yaml.safe_load(file.read_text()), schema)
    assert load_suite(file).suite.name == file.stem


def test_the_schema_refuses_a_step_that_is_two(project: Path) -> None:
    data = yaml.safe_load(SUITE)
    schema = json_schema(Extensions.of(project))["Suite"]
    jsonschema.validate(data, schema)
    data["spec"]["steps"][1]["experiment"] = "kill"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(data, schema)
