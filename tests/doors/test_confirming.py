"""`confirm` and what it refuses."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from sloproof.effects.incarnation import self_incarnation
from sloproof.run.asking import ANSWER, Answer, Desk
from sloproof.run.control import Bulletin, Status
from tests.doors.rooms import CommandLine

REFUSED = {
    "no suite runs": (["--by", "Ada"], "no suite is running, so nobody waits"),
    "nobody says it": (["--by", " "], "--by: somebody has to say it"),
    "another suite": (["drill-1", "--by", "Ada"], "no suite 'drill-1' lives"),
    "a mistyped folder": (["runs/drill-1", "--by", "Ada"], "runs/drill-1: there is no such folder"),
    "another folder": (["./experiments", "--by", "Ada"], "./experiments: is not a suite's record"),
    "an action while it runs": (
        ["--by", "Ada", "--action", "Repair it."],
        "--action is about the record of a suite that ended: name its folder",
    ),
}


@pytest.mark.parametrize(("arguments", "said"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_confirmed_is_refused(
    sloproof: CommandLine, arguments: list[str], said: str
) -> None:
    ended = sloproof("confirm", *arguments)
    assert ended.status == 2
    assert said in ended.err


def waiting(state: Path, run: str = "20261126-090000-drill-ab12") -> Path:
    """A suite that waits, run by this very process."""
    card = Status(run, "drill", "world", str(self_incarnation()), "manual", 9, (), "", "")
    folder = state / "runs" / run
    folder.mkdir(parents=True)
    (folder / "journal").touch()
    Bulletin(folder).post(replace(card, suite=run, step="look", waits_for="Look."))
    return folder


def test_of_two_answers_the_second_is_refused_also_once_the_first_was_taken(
    sloproof: CommandLine, tmp_path: Path
) -> None:
    folder = waiting(Path("state").resolve())
    first = Answer(step="look", by="Ada")
    (folder / ANSWER).write_text(json.dumps(asdict(first)))
    ended = sloproof("confirm", "drill", "--by", "Grace", "--failed")
    assert ended.status == 2
    assert "look: somebody else answers it at this moment" in ended.err
    assert Desk(folder).take("look") == first
    ended = sloproof("confirm", "drill", "--by", "Grace", "--failed")
    assert ended.status == 2
    assert "look: was answered before, by Ada" in ended.err
    assert not (folder / ANSWER).exists()


def test_who_names_another_suite_is_told_what_runs(sloproof: CommandLine) -> None:
    folder = waiting(Path("state").resolve())
    ended = sloproof("confirm", "other", "--by", "Ada")
    assert f"no suite 'other' lives; running now: {folder.name}" in ended.err


def test_a_suite_is_run_by_itself(sloproof: CommandLine) -> None:
    for name in ("a", "b"):
        Path(f"{name}.yaml").write_text(
            f"apiVersion: sloproof/v1\nkind: Suite\nmetadata: {{name: {name}}}\nspec: {{}}\n"
        )
    ended = sloproof("run", "a.yaml", "b.yaml")
    assert ended.status == 2
    assert "a suite is run by itself, not with b.yaml" in ended.err
