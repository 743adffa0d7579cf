"""`confirm` and what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.doors.rooms import CommandLine

REFUSED = {
    "no suite runs": (["--by", "Ada"], "name one suite; running now: none"),
    "nobody says it": (["--by", " "], "--by: somebody has to say it"),
    "another suite": (["drill-1", "--by", "Ada"], "no suite 'drill-1' lives"),
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


def test_a_suite_is_run_by_itself(sloproof: CommandLine) -> None:
    for name in ("a", "b"):
        Path(f"{name}.yaml").write_text(
            f"apiVersion: sloproof/v1\nkind: Suite\nmetadata: {{name: {name}}}\nspec: {{}}\n"
        )
    ended = sloproof("run", "a.yaml", "b.yaml")
    assert ended.status == 2
    assert "a suite is run by itself, not with b.yaml" in ended.err
