"""Where nothing may be written, or a record is none, a command ends before it touches anything."""

from __future__ import annotations

import json

import pytest

from tests.refusals.conftest import Scene
from tests.refusals.real import sloproof, without_roots_power


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run", "experiments", "--runs", "shut"], "shut: --runs: may not be written"),
        (
            ["run", "experiments", "--runs", "shut/deep/down"],
            "shut/deep/down: --runs: can't be made in {root}/shut, which may not be written",
        ),
        (
            ["run", "experiments", "--junit", "shut/junit.xml"],
            "shut/junit.xml: --junit: can't be made: shut may not be written",
        ),
        (["init", "shut"], "shut: may not be written"),
    ],
)
def test_a_folder_that_may_not_be_written(scene: Scene, words: list[str], said: str) -> None:
    shut = scene.root / "shut"
    shut.mkdir(mode=0o500)
    before = scene.files()
    done = sloproof(scene.root, *words, before=without_roots_power())
    assert (done.status, done.out) == (2, "")
    assert done.err == said.replace("{root}", str(scene.root)) + "\n"
    assert scene.files() == before
    assert list(shut.iterdir()) == []
    assert not scene.state.exists()


def test_a_state_folder_that_may_not_be_written(scene: Scene) -> None:
    scene.state.mkdir(mode=0o500)
    done = sloproof(scene.root, "run", "experiments", before=without_roots_power())
    assert (done.status, done.out) == (2, "")
    assert done.err == f"{scene.state}: SLOPROOF_STATE_DIR: may not be written\n"
    assert list(scene.state.iterdir()) == []


def test_a_file_that_may_not_be_read(scene: Scene) -> None:
    (scene.root / "slo/back-again.yaml").chmod(0)
    done = sloproof(scene.root, "check", "experiments", before=without_roots_power())
    assert (done.status, done.out) == (2, "")
    missed, said = done.err.splitlines()
    assert missed.endswith('no recovery objective is called "back-again"; there is none')
    assert said == "slo/back-again.yaml: can't be read: Permission denied"


@pytest.mark.parametrize("words", [["nothing"], ["run", "experiments", "--seed", "x"], ["judge"]])
def test_a_wrong_command_line_is_one_line_and_one_object(scene: Scene, words: list[str]) -> None:
    done = sloproof(scene.root, *words, "--json")
    assert done.status == 2
    assert done.err.count("\n") == 1
    assert json.loads(done.out) == {"exit_status": 2, "error": done.err.rstrip("\n")}
