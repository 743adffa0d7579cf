"""How the memory of a run's processes goes over time, seen from outside."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path

import numpy as np

from benchmarks.figure import Bench, Goal, Result, Row, Table
from benchmarks.gauged import memory_kib, pids
from benchmarks.loading import GETTER
from benchmarks.machine import ROOT
from benchmarks.projects import project
from benchmarks.server import serving

RATE = 500
WARM_S = 90
"""The engine keeps the last minute for stop conditions; what fills up until then is no growth."""
EVERY_S = 2
MOST = 0.2
"""MiB a minute. To keep but ten bytes of each of 30,000 requests a minute would take 0.3."""
ROLES = {
    "engine": "sloproof run ",
    "load": "sloproof.run.load ",
    "prober": "sloproof.run.prober ",
    "guardian": "sloproof.run.guardian ",
}
SPEC = """\
  load:
    warmup: 5s
    mix: [{{locustfile: load.py, share: 100%}}]
    arrivals: [{{rate: {rate}/s}}]
  baseline: {seconds}s
  recovery: {{at_least: 1s, at_most: 2s}}
  verify: [{{slo: availability}}]
"""
TARGET = """\
  platform: external
  entry: {{url: "{url}"}}
  probes: [{{name: door, kind: http, params: {{url: "{url}/"}}, every: 10ms, timeout: 1s}}]
"""

Samples = dict[str, list[tuple[float, float]]]
"""By role: seconds since the first sample, and MiB resident."""


def memory(bench: Bench, minutes: float) -> Result:
    """One run that long at 500/s against a small server; each process looked at every 2 s."""
    seconds = round(minutes * 60)
    with serving() as server:
        found = _sampled(bench, server.url, seconds)
    warm = WARM_S
    rows = []
    for role, samples in found.items():
        times, sizes = np.array([s for s in samples if warm <= s[0] <= seconds]).T
        slope = float(np.polyfit(times / 60, sizes, 1)[0])
        goal = Goal(at_most=MOST) if role in ("engine", "load") else None
        rows.append(
            Row(
                what=f"{role}: growth after {warm:g} s",
                value=slope,
                unit="MiB/min",
                statistic="least squares",
                repetitions=len(times),
                goal=goal,
            )
        )
        rows.append(
            Row(
                what=f"{role}: resident",
                value=float(sizes[-1]),
                unit="MiB",
                statistic="last",
                repetitions=len(times),
                low=float(sizes.min()),
                high=float(sizes.max()),
            )
        )
    return Result(rows=tuple(rows), tables=(_table(found, seconds),))


def _sampled(bench: Bench, url: str, seconds: int) -> Samples:
    folder = bench.folder / "project"
    spec = SPEC.format(rate=RATE, seconds=seconds)
    file = project(folder, spec, target=TARGET.format(url=url), profile=GETTER)
    argv = [sys.executable, "-m", "sloproof", "run", str(file), "--no-report"]
    argv += [f"--runs={bench.folder / 'runs'}", "--allow-inconclusive"]
    state = bench.folder / "state"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "SLOPROOF_STATE_DIR": str(state)}
    samples: Samples = defaultdict(list)
    with (bench.folder / "run.log").open("wb") as log:
        process = subprocess.Popen(argv, cwd=ROOT, env=environment, stdout=log, stderr=log)
        began, told = time.monotonic(), 0.0
        try:
            while process.poll() is None and time.monotonic() < began + seconds + 120:
                now = time.monotonic() - began
                for pid, role in _processes(state).items():
                    if size := memory_kib(pid, "VmRSS"):
                        samples[role].append((now, size / 1024))
                if now - told > 60:
                    told = now
                    bench.say(f"{now / 60:.0f} of {seconds / 60:.0f} minutes")
                time.sleep(EVERY_S)
        finally:
            process.kill()
            process.wait()
    assert process.returncode in (0, 3), (bench.folder / "run.log").read_text()[-800:]
    return samples


def _processes(state: Path) -> dict[int, str]:
    """The processes of the run, each with its role."""
    own = f"SLOPROOF_STATE_DIR={state}".encode()
    found: dict[int, str] = {}
    for pid in pids():
        try:
            if own not in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
                continue
            words = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        role = next((role for role, mark in ROLES.items() if mark in words), None)
        if role is not None:
            found[pid] = role
    return found


def _table(found: Samples, seconds: int) -> Table:
    """Every role's memory at ten moments."""
    moments = [seconds * n / 10 for n in range(1, 11)]
    lines = []
    for at in moments:
        sizes = [min(samples, key=lambda s: abs(s[0] - at))[1] for samples in found.values()]
        lines.append((f"{at / 60:.1f} min", *(f"{size:.1f}" for size in sizes)))
    return Table("MiB resident", ("after", *found), tuple(lines))
