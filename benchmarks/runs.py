"""Runs of sloproof as a user starts them, on the reference system."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.machine import ROOT


@dataclass(frozen=True, slots=True)
class Run:
    """One run as its user met it: how long its process took, and what came out."""

    seconds: float
    record: Path
    verdict: dict[str, Any]


def run(file: Path, folder: Path, *words: str, within: float) -> Run:
    """Run an experiment to its end; records and state go into `folder`.

    Raises `AssertionError` where it came to no verdict.
    """
    argv = [sys.executable, "-m", "sloproof", "run", str(file), "--json"]
    argv += [f"--runs={folder / 'runs'}", *words]
    state = str(folder / "own")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "SLOPROOF_STATE_DIR": state}
    began = time.monotonic()
    done = subprocess.run(
        argv, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=within, check=False
    )
    seconds = time.monotonic() - began
    said = json.loads(done.stdout) if done.stdout else {"reason": done.stderr[-800:]}
    assert done.returncode in (0, 1, 3), f"{done.returncode}: {said['reason']}"
    record = Path(said["record"])
    verdict = json.loads((record / "verdict.json").read_text(encoding="utf-8"))
    return Run(seconds, record, verdict)


def experiment(folder: Path, name: str, text: str) -> Path:
    """A project with one experiment and the repository's targets and objectives; its file."""
    (folder / "experiments").mkdir(parents=True)
    for shared in ("slo", "experiments/targets"):
        (folder / shared).symlink_to(ROOT / shared)
    file = folder / "experiments" / f"{name}.yaml"
    file.write_text(text)
    return file


@contextmanager
def room(name: str) -> Iterator[Path]:
    """A folder for a database's data: PostgreSQL's account can get there. It is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix=f"{name}-", dir="/var/tmp") as there:
        folder = Path(there)
        folder.chmod(0o711)
        yield folder
