"""The documents are true: examples are valid, links lead somewhere, what is named exists.

A block of YAML is a whole document, or says that it is a part of one (```` ```yaml fragment ````).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml

from sloproof.cli import app
from sloproof.errors import InvalidInput
from sloproof.extensions import Extensions
from sloproof.model.target import EventSource, TraceSource
from sloproof.run.system_events import SystemEvents
from sloproof.run.traces import Anchor, read_calls
from sloproof.spec import load_experiment, load_objectives, load_suite
from tests.docs.pages import LINK, PAGES, ROOT, Block, anchors, blocks, code

FOLDERS = {
    "Experiment": "experiments",
    "Target": "experiments/targets",
    "Suite": "experiments/suites",
}
FILES = {
    "perf/locustfile.py": "from locust import FastHttpUser, task\n\n"
    "class Buyer(FastHttpUser):\n    @task\n    def buy(self):\n        self.client.get('/')\n",
}
PART = "fragment"
EXAMPLES = list(blocks("yaml"))
OF_A_SUITE = "suite-fragment"
WHOLE = [each for each in EXAMPLES if each.mark not in (PART, OF_A_SUITE)]
OF_DOCS = [each for each in WHOLE if each.page.parent == ROOT / "docs"]
EXPERIMENTS = [each for each in OF_DOCS if each.data.get("kind") == "Experiment"]
TARGETS = [each for each in OF_DOCS if each.data.get("kind") == "Target"]
SUITES = [each for each in OF_DOCS if each.data.get("kind") == "Suite"]
ENVOY = [each for each in EXAMPLES if each.text.startswith("kind: upstream")]
PARTS = [each for each in EXAMPLES if each.mark == PART and each not in ENVOY]
OF_A_TARGET = {"probes", "start", "volumes", "arms"}
TRAFFIC = "sloproof/traffic"
"""An annotation, which only looks like a path."""
NOW = 81_000_000_000
"""A little before the times in the examples."""


def write(project: Path, name: str, text: str) -> Path:
    file = project / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """All whole examples of docs/ in one project, with the files that they name."""
    monkeypatch.setenv("STAGING_TOKEN", "not-a-secret")
    for each in OF_DOCS:
        folder = FOLDERS.get(each.data["kind"], "slo")
        write(tmp_path, f"{folder}/{each.data['metadata']['name']}.yaml", each.text)
    for block in blocks("python"):
        named = re.match(r"# (\S+\.py)\n", block.text)
        if named:
            write(tmp_path, named[1], block.text)
    for name, text in FILES.items():
        write(tmp_path, name, text)
    return tmp_path


def test_every_kind_is_shown_whole() -> None:
    shown = {each.data["kind"] for each in WHOLE}
    assert {"Experiment", "Target", "Suite", "SLO", "AlertPolicy", "RecoveryObjective"} <= shown


@pytest.mark.parametrize("example", WHOLE, ids=str)
def test_what_is_no_part_is_whole(example: Block) -> None:
    assert {"apiVersion", "kind", "metadata", "spec"} <= set(example.data)


@pytest.mark.parametrize("example", EXPERIMENTS, ids=str)
def test_an_experiment_in_docs_is_valid(project: Path, example: Block) -> None:
    name = example.data["metadata"]["name"]
    file = project / f"experiments/{name}.yaml"
    assert load_experiment(file, project=project).experiment.name == name


@pytest.mark.parametrize("example", TARGETS, ids=str)
def test_a_target_in_docs_is_valid(project: Path, example: Block) -> None:
    name = example.data["metadata"]["name"]
    text = "apiVersion: sloproof/v1\nkind: Experiment\nmetadata: {name: calm}\n"
    text += f"spec: {{target: {name}, verify: [{{steady_state: {{}}}}]}}\n"
    calm = write(project, "experiments/calm.yaml", text)
    assert load_experiment(calm, project=project).target.name == name


@pytest.mark.parametrize("example", SUITES, ids=str)
def test_a_suite_in_docs_is_valid(project: Path, example: Block) -> None:
    name = example.data["metadata"]["name"]
    assert load_suite(project / f"experiments/suites/{name}.yaml").suite.name == name


@pytest.mark.parametrize("part", [each for each in EXAMPLES if each.mark == OF_A_SUITE], ids=str)
def test_a_part_of_a_suite_fits_into_the_whole(project: Path, part: Block) -> None:
    [example] = SUITES
    whole = {**example.data, "spec": {**example.data["spec"], **part.data}}
    file = write(project, "experiments/suites/whole.yaml", yaml.safe_dump(whole, sort_keys=False))
    assert load_suite(file).suite.verify


def test_the_objectives_in_docs_are_valid(project: Path) -> None:
    kinds = ("SLO", "RecoveryObjective")
    told = {each.data["metadata"]["name"] for each in OF_DOCS if each.data["kind"] in kinds}
    assert set(load_objectives([project / "slo"], project=project)) == told


@pytest.mark.parametrize("part", PARTS, ids=str)
def test_a_part_fits_into_the_whole(project: Path, part: Block) -> None:
    name = "targets/shop" if set(part.data) <= OF_A_TARGET else "slow-payment"
    file = project / "experiments" / f"{name}.yaml"
    whole = yaml.safe_load(file.read_text())
    for key, value in part.data.items():
        known = whole["spec"].get(key)
        whole["spec"][key] = {**known, **value} if isinstance(known, dict) else value
    if "faults" in part.data:  # claims about the fault that made room for these
        whole["spec"]["verify"] = [{"slo": "checkout-availability"}]
        whole["spec"].pop("variables")
    file.write_text(yaml.safe_dump(whole, sort_keys=False))
    loaded = load_experiment(project / "experiments/slow-payment.yaml", project=project)
    assert loaded.target.name == "shop"


def test_the_loader_of_these_tests_refuses_a_wrong_example(project: Path) -> None:
    file = project / "experiments" / "slow-payment.yaml"
    file.write_text(file.read_text().replace("jitter:", "jiter:"))
    with pytest.raises(InvalidInput, match="jiter"):
        load_experiment(file, project=project)


@pytest.mark.parametrize("example", [each for each in WHOLE if each not in OF_DOCS], ids=str)
def test_an_experiment_in_the_readme_is_one_of_this_project(tmp_path: Path, example: Block) -> None:
    name = example.data["metadata"]["name"]
    assert (ROOT / "experiments" / f"{name}.yaml").exists()
    file = write(tmp_path, "of-the-readme.yaml", example.text)
    assert load_experiment(file, project=ROOT).experiment.name == name


def test_a_fault_of_ones_own_works_as_shown(tmp_path: Path) -> None:
    [shown] = [each for each in blocks("python") if each.page.name == "README.md"]
    write(tmp_path, "fault_injectors/flicker.py", shown.text)
    assert Extensions.of(tmp_path).faults["flicker"].kind == "flicker"


def test_lines_of_calls_and_events_are_read_as_shown(tmp_path: Path) -> None:
    calls, events = (each.text.replace("\n", " ") + "\n" for each in blocks("json"))
    anchor = Anchor(NOW, NOW, drift_ns=0)
    traced = TraceSource(format="json-lines", file=str(write(tmp_path, "calls", calls)))
    [call] = read_calls([traced], anchor, {}).rows
    assert (call.source, call.target, call.breaker) == ("checkout", "payment", "closed")
    told = EventSource(
        name="log", file=str(write(tmp_path, "events", events)), roles={"breaker": ("breaker",)}
    )
    [event] = SystemEvents([told], anchor).poll()
    assert (event.event, event.role, event.detail) == ("breaker=open", "breaker", {"to": "payment"})


def test_envoys_log_has_the_fields_that_are_read() -> None:
    reader = (ROOT / "sloproof/run/traces/envoy.py").read_text()
    [shown] = ENVOY
    known = reader + (ROOT / "sloproof/run/traces/reading.py").read_text()
    assert [key for key in shown.data if f'"{key}"' not in known] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    for file, anchor in LINK.findall(page.read_text()):
        if "://" in file:
            continue
        there = (page.parent / file).resolve() if file else page
        assert there.exists(), f"{page.name} links to {file}"
        if anchor and there.suffix == ".md":
            assert anchor[1:] in anchors(there), f"{page.name} links to {file}{anchor}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_and_option_exists(page: Path) -> None:
    made = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    known, everywhere = commands(), options_of_all_programs()
    for line in spoken(page):
        for target in re.findall(r"\bmake ([a-z-]+)(?=$|[ ;])", line):
            assert target in made, f"{page.name} names make {target}"
        for name, rest in re.findall(r"(?:^|[/ ])sloproof ([a-z]+)\b([^#&]*)", line):
            assert name in known, f"{page.name} names sloproof {name}"
            for option in options(rest):
                assert option in known[name], f"{page.name} names sloproof {name} {option}"
        for option in options(line):
            assert option in everywhere, f"{page.name} names {option}"


def spoken(page: Path) -> list[str]:
    """The lines of blocks without a language, and what stands between backticks."""
    lines = [line for each in blocks("") if each.page == page for line in each.text.split("\n")]
    return [*(line.partition("#")[0] for line in lines), *code(page.read_text())]


def options(line: str) -> list[str]:
    return re.findall(r"(?<![\w-])(--[a-z][a-z-]+)", line)


def commands() -> dict[str, set[str]]:
    """Every command with its options."""
    group: Any = typer.main.get_group(app)
    return {
        name: {option for parameter in command.params for option in parameter.opts}
        for name, command in group.commands.items()
    }


def options_of_all_programs() -> set[str]:
    """Every option that some program of this repository reads, or that somebody else's does."""
    source = [
        file.read_text()
        for folder in ("sloproof", "digital_human", "benchmarks", "tests")
        for file in (ROOT / folder).rglob("*.py")
        if file.parent != Path(__file__).parent
    ]
    declared = re.findall(r'(?:add_?option|add_argument|Option)\(\s*"(--[a-z-]+)"', "".join(source))
    return {*declared, *(option for each in commands().values() for option in each), *FOREIGN}


FOREIGN = {"--collect-only", "--help", "--interactive", "--port", "--randomly-seed"}
"""Options of pytest, of everybody, of an imagined server, and one that is said to be missing."""


def test_every_command_is_in_the_readme() -> None:
    rows = re.findall(r"^\|((?: `[a-z]+`)+) \|", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert set(re.findall(r"`([a-z]+)`", "".join(rows))) == set(commands())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_path_in_this_repository_exists(page: Path) -> None:
    for word in code(page.read_text()):
        inside = re.fullmatch(r"(?:tests|sloproof|docs|benchmarks|digital_human)/[\w./]*", word)
        if inside and word != TRAFFIC:
            assert (ROOT / word).exists(), f"{page.name} names {word}"
