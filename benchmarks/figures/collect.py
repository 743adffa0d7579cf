"""What pytest takes to collect a hundred experiments."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.figure import Bench, Figure, Goal, Result, row
from benchmarks.machine import ROOT
from benchmarks.projects import LOAD, project

COUNT = 100
SPEC = """\
  baseline: 1s
  faults:
    - {name: slow, inject: latency, where: {from: client, to: web}, with: {delay: 100ms}, at: 1s,
       for: 5s}
  recovery: {at_least: 1s, at_most: 2s}
  verify:
    - slo: availability
    - {slo: availability, name: while-slow, during: {fault: slow}}
"""
TARGET = """\
  platform: external
  entry: {url: "http://127.0.0.1:8080"}
  services: {web: {instances: [{name: web-1, listens: 8080}]}}
  links:
    - {from: client, to: web, entry: true, proxy: {server: "http://127.0.0.1:8474", name: web}}
"""


def measure(bench: Bench) -> Result:
    """In turn: an empty folder, one with a hundred experiments; the difference of each pair."""
    full, empty = bench.folder / "full", bench.folder / "empty"
    for number in range(COUNT):
        profile = (ROOT / "load_profiles" / "conversation.py").read_text()
        project(full, LOAD + SPEC, target=TARGET, profile=profile, name=f"experiment-{number:03}")
    (empty / "experiments").mkdir(parents=True)
    for folder in (full, empty):
        (folder / "pytest.ini").write_text("[pytest]\n")
        _collect(folder)  # compiled files and caches are made here
    pairs = [(_collect(empty), _collect(full)) for _ in range(bench.times(15, 5))]
    return Result(
        rows=(
            row("above an empty folder", [b - a for a, b in pairs], "s", goal=Goal(at_most=1)),
            row("whole process, empty folder", [a for a, _ in pairs], "s"),
            row("whole process, 100 experiments", [b for _, b in pairs], "s"),
        )
    )


def _collect(folder: Path) -> float:
    argv = [sys.executable, "-m", "pytest", "--collect-only", "-q", "experiments"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    began = time.monotonic()
    done = subprocess.run(
        argv, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    took = time.monotonic() - began
    wanted = 2 * COUNT if folder.name == "full" else 0
    assert done.stdout.count("::") == wanted, done.stdout[-2000:] + done.stderr[-500:]
    return took


FIGURE = Figure(
    name="collect",
    place=9,
    title="`pytest --collect-only` of 100 experiments",
    goal="≤ 1 s above an empty folder",
    method=(
        "Whole processes, in turn: an empty folder and one with 100 experiments of two claims each."
    ),
    measure=measure,
)
