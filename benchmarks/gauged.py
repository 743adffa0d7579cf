"""A process of sloproof's command line with what it took: time, and memory at its peak.

`python -m benchmarks.gauged FILE WORDS…` runs `sloproof WORDS…` in this process and leaves its own
high-water mark in FILE. The kernel's `ru_maxrss` would begin with the memory of who started it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.machine import ROOT


@dataclass(frozen=True, slots=True)
class Gauge:
    """What one process took, from its start to its end; its exit status, and what it said.

    `cpu_s` is the time of all its threads, which hardly depends on who else is at work.
    """

    seconds: float
    cpu_s: float
    peak_mib: float
    status: int
    said: str


def gauged(folder: Path, *words: str, cwd: Path | None = None) -> Gauge:
    """Run `sloproof` with `words`."""
    mark = folder / "peak"
    argv = [sys.executable, "-m", "benchmarks.gauged", str(mark), *words]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    began = time.monotonic()
    done = subprocess.run(
        argv, cwd=cwd or ROOT, env=environment, capture_output=True, text=True, check=False
    )
    seconds = time.monotonic() - began
    if not mark.exists():
        raise RuntimeError(f"{words}: {done.stderr[-400:]}")
    cpu, peak = mark.read_text(encoding="ascii").split()
    said = done.stdout + done.stderr
    return Gauge(seconds, float(cpu), int(peak) / 1024, done.returncode, said)


def memory_kib(pid: int | str, what: str) -> int:
    """`VmRSS` (now) or `VmHWM` (at its peak) of a process, in KiB; 0 of one that is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines.splitlines() if line.startswith(what)), 0)


def pids() -> list[int]:
    """All processes there are."""
    return [int(folder.name) for folder in Path("/proc").glob("[0-9]*")]


def _main() -> None:
    from sloproof.cli import main

    mark = Path(sys.argv[1])
    sys.argv[:] = ["sloproof", *sys.argv[2:]]
    try:
        main()
    finally:
        mark.write_text(f"{time.process_time()} {memory_kib('self', 'VmHWM')}", encoding="ascii")


if __name__ == "__main__":
    _main()
