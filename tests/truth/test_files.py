"""A copy that can open no more files, in whole runs; and whoever dies in them."""

from __future__ import annotations

import json
import resource
from pathlib import Path

import pytest

from sloproof.effects.finder import Finder
from tests.truth.bench import Bench, soon

STEPS = [
    f"open_files:{deed}:{moment}"
    for deed in ("capture", "intended", "apply", "applied", "undo", "undone")
    for moment in ("before", "after")
]
REVERTED = 15.0


def limit_of(little: Bench) -> tuple[int, int]:
    life = Finder(listens=little.found["ports"]["web_2"]).find()
    assert life is not None
    return resource.prlimit(life.pid, resource.RLIMIT_NOFILE)


def test_it_is_seen_from_outside_and_over_in_time(little: Bench) -> None:
    before = limit_of(little)
    ended = little.sloproof(*little.argv("files", flag=little.flag))
    assert ended.status in (0, 3), ended.words
    verdict = json.loads((Path(ended.said["record"]) / "verdict.json").read_text())
    full = next(one for one in verdict["measures"]["faults"] if one["name"] == "full")
    assert full["witnessed"], full["witness_reason"]
    assert full["neighbours"] == "unaffected"
    assert limit_of(little) == before
    little.nothing_is_left(REVERTED)


@pytest.mark.sampled(2)
@pytest.mark.parametrize("victim", ["engine", "both"])
@pytest.mark.parametrize("step", STEPS)
def test_whoever_dies_the_copy_gets_its_files_back(
    little: Bench, tmp_path: Path, step: str, victim: str
) -> None:
    before = limit_of(little)
    ended = little.struck(tmp_path / "reached", step, "SIGKILL", victim, of="files")
    assert ended.status == -9
    if victim == "both":
        soon(lambda: not little.processes(), REVERTED, "the helpers' end")
        recovered = little.sloproof("recover")
        assert recovered.status == 0, recovered.words
    little.nothing_is_left(REVERTED)
    assert limit_of(little) == before
