"""The reference system, running, as the local platform sees it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sloproof.platforms.local import Local
from sloproof.spec import Loaded, load_experiment

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loaded]:
    state = tmp_path_factory.mktemp("digital-human") / "state.json"
    argv = [sys.executable, "-m", "digital_human"]
    here = f"--state={state}"
    subprocess.run(
        [*argv, "up", "--profile=ci", here, "--detach"], check=True, timeout=60, cwd=ROOT
    )
    try:
        slow = ROOT / "experiments" / "slow-speech.yaml"
        found = load_experiment(slow, variables={"state": str(state)})
        yield found.running(json.loads(state.read_text()))
    finally:
        subprocess.run([*argv, "down", here], check=True, timeout=60, cwd=ROOT)


@pytest.fixture
def platform(loaded: Loaded, tmp_path: Path) -> Local:
    return Local(loaded.target, run="test", work=tmp_path)
