"""Whole runs: each fault is seen and put back, and nothing stays when the engine is killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from digital_human import cgroups
from sloproof.effects.finder import Finder
from sloproof.effects.page import page_of
from sloproof.effects.skew import OFFSET
from sloproof.effects.unresolved import FAILS
from tests.resources.conftest import library, made
from tests.resources.site import LIMITS
from tests.truth.bench import PYTHON, ROOT, Bench, soon

EXPERIMENTS = Path(__file__).parent / "project" / "experiments"
LONGEST = 60.0

pytestmark = [pytest.mark.root, pytest.mark.slow]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    library()
    made(tmp_path, "trial", LIMITS)
    bench = Bench(tmp_path)
    try:
        yield bench
    finally:
        bench.stop()
        soon(lambda: not cgroups.remove(tmp_path), 10, "the groups' end")


def argv(bench: Bench, experiment: str) -> list[str]:
    words = [str(EXPERIMENTS / f"{experiment}.yaml"), f"--runs={bench.folder / 'runs'}"]
    given = f"--set=state={bench.file}"
    return ["run", *words, "--json", "--no-report", "--allow-inconclusive", given]


@pytest.mark.timeout(240)
def test_each_fault_is_seen_and_put_back(bench: Bench) -> None:
    ended = bench.sloproof(*argv(bench, "each"))
    assert ended.status in {0, 3}, ended.words
    [record] = bench.records
    verdict = json.loads((record / "verdict.json").read_text())
    found: dict[str, Any] = {one["name"]: one for one in verdict["measures"]["faults"]}
    assert set(found) == {"busy", "full", "late", "early", "nameless"}
    for name, one in found.items():
        assert one["witnessed"], f"{name}: {one['witness_reason']}"
        assert one["neighbours"] == "unaffected", one
    assert found["busy"]["measured"] == pytest.approx(0.2, abs=0.03)
    assert found["full"]["measured"] == pytest.approx(48 << 20, rel=0.05)
    assert found["late"]["measured"] == pytest.approx(-30, abs=1)
    assert found["early"]["measured"] == pytest.approx(3600, abs=1)
    soon(lambda: not bench.processes(), 10, "the helpers' end")


@pytest.mark.timeout(240)
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM])
def test_nothing_stays_when_the_engine_is_struck(bench: Bench, number: signal.Signals) -> None:
    bench.system = subprocess.Popen(
        [PYTHON, "-m", "tests.resources.site", str(bench.file)],
        cwd=ROOT,
        env={**bench.environment, "LD_PRELOAD": str(library())},
    )
    soon(bench.file.exists, 30, "the site")
    run = bench.begin(*argv(bench, "long"))
    life = Finder(listens=json.loads(bench.file.read_text())["web_1"]).find()
    assert life is not None
    page = page_of(life)
    assert page is not None

    def struck() -> bool:
        joined = all(len(path.read_text().split()) > 1 for path in members(bench))
        return joined and any(page.read(OFFSET)) and any(page.read(FAILS))

    soon(struck, LONGEST, "the faults")
    os.kill(run.pid, number)
    soon(lambda: not any(page.read(OFFSET) + page.read(FAILS)), 15, "the page's end")
    alone = [str(life.pid)]
    soon(lambda: all(path.read_text().split() == alone for path in members(bench)), 15, "ours")
    soon(lambda: not bench.journals, 15, "the journal's end")


def members(bench: Bench) -> list[Path]:
    """The files that list who is in the groups of the copy that is struck."""
    found = cgroups.make(bench.folder, "web-1", LIMITS)
    return [place / "cgroup.procs" for place in found]
