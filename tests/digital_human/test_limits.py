"""Copies in control groups of their own, and nothing left of these when the system is gone."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from digital_human import cgroups
from sloproof.effects.cgroups import group_of
from tests.effects.conftest import wait_for

ROOT = Path(__file__).parents[2]
UP = ["up", "--profile=ci", "--set=limits=on", "--set=limits.cpu=0.8", "--set=limits.memory=300"]


def run(state: Path, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "digital_human", *words, f"--state={state}"]
    return subprocess.run(argv, check=check, cwd=ROOT, timeout=60, capture_output=True, text=True)


@pytest.fixture
def told(tmp_path: Path) -> Iterator[dict[str, Any]]:
    """A running system with limits, as its state file tells it."""
    state = tmp_path / "state.json"
    run(state, *UP, "--detach")
    try:
        yield json.loads(state.read_text())
    finally:
        run(state, "down")


def pids(state: Path) -> dict[str, int]:
    told = json.loads(run(state, "status", "--json").stdout)
    return {name: process["pid"] for name, process in told["processes"].items()}


def groups(told: dict[str, Any]) -> list[Path]:
    """The groups that there are of this system."""
    return cgroups.tops(Path(told["folder"]))


def skip_without(told: dict[str, Any]) -> None:
    if not told["limits"]["in_force"]:
        pytest.skip(told["limits"]["reason"])


@pytest.mark.root
def test_each_copy_has_a_group_of_its_own_with_limits(told: dict[str, Any], tmp_path: Path) -> None:
    skip_without(told)
    found = pids(tmp_path / "state.json")
    copies = ("dialogue-1", "dialogue-2", "speech-1")
    for controller in ("cpu", "memory"):
        assert len({group_of(found[copy], controller).folder for copy in copies}) == 3
        assert group_of(found["controller"], controller).shared
    for copy in copies:
        assert group_of(found[copy], "cpu").cpu_limit() == 0.8
        assert group_of(found[copy], "memory").memory_limit() == 300 << 20


@pytest.mark.root
def test_a_restarted_copy_is_in_its_group_again(told: dict[str, Any], tmp_path: Path) -> None:
    skip_without(told)
    state = tmp_path / "state.json"
    before = group_of(pids(state)["speech-1"], "cpu").folder
    run(state, "restart", "speech-1")
    assert group_of(pids(state)["speech-1"], "cpu").folder == before


@pytest.mark.root
def test_the_groups_go_with_the_system(told: dict[str, Any], tmp_path: Path) -> None:
    skip_without(told)
    assert groups(told)
    run(tmp_path / "state.json", "down")
    assert groups(told) == []


@pytest.mark.root
def test_down_removes_what_a_killed_supervisor_left(told: dict[str, Any], tmp_path: Path) -> None:
    skip_without(told)
    os.kill(told["pid"], signal.SIGKILL)
    wait_for(lambda: not Path(f"/proc/{told['pid']}").exists())
    run(tmp_path / "state.json", "down")
    assert groups(told) == []


def test_where_groups_can_not_be_made_it_goes_on_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cgroups, "_roots", lambda: iter([(tmp_path / "nowhere", False)]))
    enclosure = cgroups.Enclosure(tmp_path, cgroups.Limits(1.0, 1 << 30))
    assert enclosure.of("dialogue-1") == []
    assert enclosure.to_json()["in_force"] is False
    assert "nowhere" in enclosure.to_json()["reason"]
