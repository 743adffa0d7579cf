"""Whoever dies between any two steps of an effect's life: nothing is left, and the next run works.

All tests share one system and one state folder, so each run is the one after the other's death.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.truth.bench import Bench, soon

KINDS = ("toxic", "proxy_down", "pause", "switch", "command", "kill", "process")
DEEDS = ("capture", "intended", "apply", "applied", "undo", "undone")
STEPS = [
    f"{kind}:{deed}:{moment}" for kind in KINDS for deed in DEEDS for moment in ("before", "after")
] + [
    f"{kind}:{deed}:sent"
    for kind in ("toxic", "proxy_down", "switch")
    for deed in ("apply", "undo")
]
AT_THE_END = ("kill:undo", "process:undo")
# A guardian sees a death at once and asks a server or two; a start of Python is the longest part.
REVERTED = 15.0
# Three seconds of silence come first.
NOTICED = 20.0


@pytest.mark.sampled(4)
@pytest.mark.parametrize("step", STEPS)
def test_an_engine_that_dies_leaves_nothing(little: Bench, tmp_path: Path, step: str) -> None:
    ended = little.struck(tmp_path / "reached", step, "SIGKILL")
    assert ended.status == -9
    little.nothing_is_left(REVERTED)


@pytest.mark.sampled(2)
@pytest.mark.parametrize("step", STEPS)
def test_what_both_leave_recover_puts_back(little: Bench, tmp_path: Path, step: str) -> None:
    ended = little.struck(tmp_path / "reached", step, "SIGKILL", "both")
    assert ended.status == -9
    soon(lambda: not little.processes(), REVERTED, "the helpers' end")
    recovered = little.sloproof("recover")
    assert recovered.status == 0, recovered.words
    little.nothing_is_left(REVERTED)


@pytest.mark.sampled(1)
@pytest.mark.parametrize("step", STEPS)
def test_an_engine_that_stands_still_is_ended(little: Bench, tmp_path: Path, step: str) -> None:
    ended = little.struck(tmp_path / "reached", step, "SIGSTOP")
    assert ended.status == -9
    little.nothing_is_left(NOTICED)


@pytest.mark.sampled(1)
@pytest.mark.parametrize("number", ["SIGINT", "SIGTERM"])
@pytest.mark.parametrize("step", [step for step in STEPS if "undone" not in step])
def test_a_signal_is_heeded_once_the_step_is_done(
    little: Bench, tmp_path: Path, step: str, number: str
) -> None:
    ended = little.struck(tmp_path / "reached", step, number)
    if step.startswith(AT_THE_END) and ended.status == 0:
        assert ended.said["how"] == "completed", "all had been measured, and is put back anyway"
    else:
        assert (ended.status, ended.said["how"]) == (3, "interrupted"), ended.words
    little.nothing_is_left(REVERTED)


@pytest.mark.sampled(1)
@pytest.mark.parametrize("step", STEPS)
def test_an_engine_without_its_guardian_reverts_and_says_so(
    little: Bench, tmp_path: Path, step: str
) -> None:
    ended = little.struck(tmp_path / "reached", step, "SIGKILL", "guardian")
    late = step.split(":")[1] in ("undo", "undone")
    assert ended.status == 4 or (late and ended.status in (0, 3)), ended.words
    assert ended.status != 4 or "guardian" in ended.said["reason"]
    little.nothing_is_left(REVERTED)


def test_the_run_after_all_of_that_works(little: Bench) -> None:
    ended = little.sloproof(*little.argv("everything", flag=little.flag))
    assert ended.status == 0, ended.words
    little.nothing_is_left(REVERTED)
