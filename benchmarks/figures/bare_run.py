"""An experiment without load and HTML report, beside Chaos Toolkit's trivial one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.figure import Bench, Figure, Goal, Result, row
from benchmarks.machine import ROOT
from benchmarks.peers import PeerMissing, chaos_toolkit
from benchmarks.projects import project

SPEC = """\
  baseline: 1ms
  faults:
    - {name: nothing, inject: command, at: 1ms, for: 1ms,
       with: {apply: ["true"], undo: ["true"]}}
  recovery: {at_least: 1ms, at_most: 2ms}
  verify: [{slo: availability}]
"""
PEER = {
    "title": "nothing",
    "description": "an action that does nothing, and its undoing",
    "method": [{"type": "action", "name": "on", "provider": {"type": "process", "path": "true"}}],
    "rollbacks": [
        {"type": "action", "name": "off", "provider": {"type": "process", "path": "true"}}
    ],
}
INCONCLUSIVE = 3


def measure(bench: Bench) -> Result:
    """In turn, whole processes; the first of each makes the compiled files and isn't counted."""
    file = project(bench.folder / "project", SPEC)
    ours = [sys.executable, "-m", "sloproof", "run", str(file), "--no-report"]
    ours += ["--allow-inconclusive", f"--runs={bench.folder / 'runs'}"]
    missing: list[str] = []
    theirs, who = _peer(bench.folder, missing)
    seconds: list[float] = []
    peers: list[float] = []
    for turn in range(bench.times(31, 8)):
        took = _took(ours, bench.folder, INCONCLUSIVE)
        took_peer = _took(theirs, bench.folder, 0) if theirs else 0.0
        if turn:
            seconds.append(took)
            peers.append(took_peer)
    rows = [row("whole process", seconds, "s", goal=Goal(at_most=0.6))]
    if theirs:
        rows.append(row("whole process", peers, "s", who=who))
        ratios = [a / b for a, b in zip(seconds, peers, strict=True)]
        rows.append(row("whole process, as a multiple of the peer's", ratios, "times"))
    return Result(
        rows=tuple(rows),
        missing=tuple(missing),
        notes=(
            (
                "Ours starts a guardian and a prober beside the engine, writes, seals and judges a "
                "record; the peer's runs two commands and writes a journal."
            ),
            (
                "Of ours about a third is the import of the command line, the models and numpy, a "
                "fifth the start of the prober's Python, a tenth that of the guardian's; the rest "
                "are the commands, their settling, and the judge."
            ),
        ),
    )


def _peer(folder: Path, missing: list[str]) -> tuple[list[str], str]:
    try:
        peer = chaos_toolkit()
    except PeerMissing as error:
        missing.append(str(error))
        return [], ""
    file = folder / "nothing.json"
    file.write_text(json.dumps(PEER))
    return [str(peer.path), "--no-version-check", "run", str(file)], peer.who


def _took(argv: Sequence[str], folder: Path, status: int) -> float:
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "SLOPROOF_STATE_DIR": str(folder / "state"),
    }
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # compiled files are there for every user
    if "chaos" in Path(argv[0]).name:
        del environment["PYTHONPATH"]
    began = time.monotonic()
    done = subprocess.run(
        argv, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    took = time.monotonic() - began
    assert done.returncode == status, done.stderr[-400:]
    return took


FIGURE = Figure(
    name="bare-run",
    place=10,
    title="An experiment without load and HTML report",
    goal="whole process ≤ 0.6 s",
    method=(
        "`sloproof run --no-report` of a command that does nothing, for 1 ms, with every phase as "
        "short as can be, in turn with Chaos Toolkit's action and rollback that do nothing."
    ),
    measure=measure,
)
