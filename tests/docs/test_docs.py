"""The documents are true: examples are valid, links lead somewhere, what is named exists."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml

from sloproof.cli import app
from sloproof.extensions import Extensions
from sloproof.spec import load_experiment, load_objectives

ROOT = Path(__file__).parents[2]
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *sorted((ROOT / "docs").glob("*.md")),
    ROOT / "reports" / "templates" / "README.md",
]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)#\s]*)(#[^)\s]*)?\)")
FOLDERS = {"Experiment": "experiments", "Target": "experiments/targets"}
FILES = {
    "perf/locustfile.py": "from locust import FastHttpUser, task\n\n"
    "class Buyer(FastHttpUser):\n    @task\n    def buy(self):\n        self.client.get('/')\n",
}


@dataclass(frozen=True, slots=True)
class Example:
    """One block of YAML in a page."""

    page: Path
    number: int
    text: str

    @property
    def data(self) -> Any:
        return yaml.safe_load(self.text)

    @property
    def whole(self) -> bool:
        return isinstance(self.data, dict) and "apiVersion" in self.data

    def __str__(self) -> str:
        return f"{self.page.stem}-{self.number}"


def examples() -> Iterator[Example]:
    for page in PAGES:
        blocks = [text for language, text in FENCE.findall(page.read_text()) if language == "yaml"]
        yield from (Example(page, n, text) for n, text in enumerate(blocks, start=1))


EXAMPLES = list(examples())
SPOKEN_OF = {example.data["kind"] for example in EXAMPLES if example.whole}
OF_A_SPEC = {"variables", "load", "faults", "stop", "verify"}
OF_A_TARGET = {"probes"}
FRAGMENTS = [
    example
    for example in EXAMPLES
    if isinstance(example.data, dict) and set(example.data) <= OF_A_SPEC | OF_A_TARGET
]


def write(project: Path, name: str, text: str) -> None:
    file = project / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """All whole examples of the documents in one project, with the files that they name."""
    for example in EXAMPLES:
        if example.whole and example.page.parent.name == "docs":
            data = example.data
            name = f"{data['metadata']['name']}.yaml"
            write(tmp_path, f"{FOLDERS.get(data['kind'], 'slo')}/{name}", example.text)
    for page in PAGES:
        for language, text in FENCE.findall(page.read_text()):
            named = re.match(r"# (\S+\.py)\n", text)
            if language == "python" and named:
                write(tmp_path, named[1], text)
    for name, text in FILES.items():
        write(tmp_path, name, text)
    return tmp_path


def test_every_kind_is_shown_whole() -> None:
    assert {"Experiment", "Target", "SLO", "AlertPolicy", "RecoveryObjective"} <= SPOKEN_OF


def test_the_shop_of_the_documents_is_valid(project: Path) -> None:
    loaded = load_experiment(project / "experiments/slow-payment.yaml", project=project)
    assert loaded.target.name == "shop"
    assert load_objectives([project / "slo"], project=project)


def test_the_other_target_is_valid(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STAGING_TOKEN", "not-a-secret")
    text = "apiVersion: sloproof/v1\nkind: Experiment\nmetadata: {name: calm}\n"
    text += "spec: {target: staging, verify: [{steady_state: {}}]}\n"
    write(project, "experiments/calm.yaml", text)
    loaded = load_experiment(project / "experiments/calm.yaml", project=project)
    assert loaded.target.name == "staging"


@pytest.mark.parametrize("fragment", FRAGMENTS, ids=str)
def test_a_part_of_an_example_fits_into_the_whole(
    project: Path, monkeypatch: pytest.MonkeyPatch, fragment: Example
) -> None:
    monkeypatch.setenv("STAGING_TOKEN", "not-a-secret")
    name = "targets/shop" if set(fragment.data) <= OF_A_TARGET else "slow-payment"
    file = project / "experiments" / f"{name}.yaml"
    whole = yaml.safe_load(file.read_text())
    for key, value in fragment.data.items():
        known = whole["spec"].get(key)
        whole["spec"][key] = {**known, **value} if isinstance(known, dict) else value
    if "faults" in fragment.data:  # claims about the fault that made room for these
        whole["spec"]["verify"] = [{"slo": "checkout-availability"}]
        whole["spec"].pop("variables")
    file.write_text(yaml.safe_dump(whole, sort_keys=False))
    load_experiment(project / "experiments/slow-payment.yaml", project=project)


def test_the_readmes_experiment_is_one_of_this_project(tmp_path: Path) -> None:
    [example] = [each for each in EXAMPLES if each.page.name == "README.md"]
    assert (ROOT / "experiments" / f"{example.data['metadata']['name']}.yaml").exists()
    write(tmp_path, "of-the-readme.yaml", example.text)
    load_experiment(tmp_path / "of-the-readme.yaml", project=ROOT)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for file, anchor in LINK.findall(page.read_text()):
        if "://" in file:
            continue
        there = (page.parent / file).resolve() if file else page
        assert there.exists(), f"{page.name} links to {file}"
        if anchor and there.suffix == ".md":
            assert anchor[1:] in anchors(there), f"{page.name} links to {file}{anchor}"


def anchors(page: Path) -> set[str]:
    """What a page's headings and marks can be reached by."""
    text = page.read_text()
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    plain = [re.sub(r"[^\w\- ]", "", each).strip().lower().replace(" ", "-") for each in headings]
    return {*plain, *re.findall(r'<a id="([^"]+)"', text)}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_and_option_exists(page: Path) -> None:
    made = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    known = commands()
    for code in spoken_code(page.read_text()):
        for target in re.findall(r"^make ([a-z-]+)", code):
            assert target in made, f"{page.name} names make {target}"
        for name, rest in re.findall(r"^(?:\S*/)?sloproof ([a-z]+)\b(.*)", code):
            assert name in known, f"{page.name} names sloproof {name}"
            for option in re.findall(r"(--[a-z-]+)", rest.partition("#")[0]):
                assert option in known[name], f"{page.name} names sloproof {name} {option}"


def spoken_code(text: str) -> list[str]:
    """The lines of blocks that have no language, and what stands between backticks."""
    blocks = [
        line
        for language, block in FENCE.findall(text)
        if not language
        for line in block.split("\n")
    ]
    return [*blocks, *re.findall(r"`([^`\n]+)`", FENCE.sub("", text))]


def commands() -> dict[str, set[str]]:
    """Every command with its options."""
    group = typer.main.get_group(app)
    return {
        name: {option for parameter in command.params for option in parameter.opts}
        for name, command in group.commands.items()
    }


@pytest.mark.parametrize("room", ["faults", "probes", "checks", "platforms"])
def test_every_kind_is_described(room: str) -> None:
    pages = "".join(page.read_text() for page in (ROOT / "docs").glob("*.md"))
    rows = set(re.findall(r"^\| `([a-z_]+)` \|", pages, re.MULTILINE))
    missing = {kind for kind in getattr(Extensions.of(), room) if kind not in rows}
    assert not missing, f"no table in docs/ tells of {missing}"


def test_every_command_is_in_the_readme() -> None:
    rows = re.findall(r"^\|((?: `[a-z]+`)+) \|", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert set(re.findall(r"`([a-z]+)`", "".join(rows))) == set(commands())
