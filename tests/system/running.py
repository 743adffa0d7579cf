"""Running sloproof as a user does: its command line, in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
LONGEST = 150
QUICKER = {
    "warmup: 3s": "warmup: 1s",
    "for: 3s}": "for: 1s}",
    "baseline: 6s": "baseline: 1s",
    "at: 7s": "at: 1s",
    "for: 10s": "for: 60s",
}


@dataclass(slots=True)
class Ran:
    """What one run said: its exit status, its JSON object, its words."""

    status: int
    said: dict[str, Any]
    words: str

    def outcomes(self) -> dict[str, str]:
        return {claim["id"]: claim["outcome"] for claim in self.said["claims"]}

    def failed(self) -> list[str]:
        return [name for name, outcome in self.outcomes().items() if outcome == "FAIL"]


@dataclass(slots=True)
class Bench:
    """A place for one test's runs: records, state, and a reference system of its own."""

    folder: Path
    settings: dict[str, str] = field(default_factory=dict)
    """The variables that a run is given."""

    def __post_init__(self) -> None:
        self.settings.setdefault("state", str(self.system))

    @property
    def system(self) -> Path:
        return self.folder / "digital-human" / "state.json"

    @property
    def state(self) -> Path:
        """Where sloproof keeps what lives."""
        return self.folder / "state"

    @property
    def environment(self) -> dict[str, str]:
        """Where its state goes, and where `python -m digital_human` is found."""
        here = {"SLOPROOF_STATE_DIR": str(self.state), "PYTHONPATH": str(ROOT)}
        return {**os.environ, **here}

    @property
    def quick(self) -> Path:
        """`slow-speech` with a short warm-up and baseline, and a fault that stays for a minute."""
        return self.amended("slow-speech", QUICKER)

    def amended(self, experiment: str, changes: Mapping[str, str]) -> Path:
        """One of our experiments, in a project of its own, that says other words here and there."""
        project = self.folder / "project"
        (project / "experiments").mkdir(parents=True, exist_ok=True)
        for name in ("slo", "experiments/targets"):
            if not (project / name).exists():
                (project / name).symlink_to(ROOT / name)
        text = (ROOT / "experiments" / f"{experiment}.yaml").read_text()
        for words, others in changes.items():
            assert text.count(words) == 1, f"{experiment} no longer says {words!r} once"
            text = text.replace(words, others)
        file = project / "experiments" / f"{experiment}.yaml"
        file.write_text(text)
        return file

    def argv(self, experiment: str | Path, *more: str) -> list[str]:
        given = self.settings
        sets = [f"--set={name}={value}" for name, value in given.items()]
        file = str(ROOT / "experiments" / f"{experiment}.yaml")
        if isinstance(experiment, Path):
            file = str(experiment)
        runs = f"--runs={self.folder / 'runs'}"
        return [sys.executable, "-m", "sloproof", "run", file, runs, "--json", *sets, *more]

    def run(self, experiment: str | Path, *more: str) -> Ran:
        done = subprocess.run(
            self.argv(experiment, *more),
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=LONGEST,
            check=False,
        )
        assert done.stdout, done.stderr
        return Ran(done.returncode, json.loads(done.stdout), done.stderr)

    def start(self, experiment: str | Path, *more: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.argv(experiment, *more),
            cwd=ROOT,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run_refused(self, experiment: str | Path) -> subprocess.CompletedProcess[str]:
        """A run that is expected not to begin."""
        return self.sloproof(*self.argv(experiment)[3:])

    def sloproof(self, *argv: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "sloproof", *argv],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def digital_human(self, verb: str, *more: str) -> None:
        argv = [sys.executable, "-m", "digital_human", verb, f"--state={self.system}", *more]
        subprocess.run(argv, cwd=ROOT, check=True, timeout=60, capture_output=True)


def soon(condition: Callable[[], object], seconds: float, what: str) -> None:
    """Wait for a condition; fails after `seconds`, saying what did not come."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not come within {seconds} s"
        time.sleep(0.02)
