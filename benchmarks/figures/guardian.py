"""The guardian: how long it takes to start, and what memory it holds."""

from __future__ import annotations

import os
import time
from pathlib import Path

from benchmarks.figure import Bench, Figure, Goal, Result, row
from benchmarks.gauged import memory_kib
from sloproof.run.guarding import GuardianProcess


def measure(bench: Bench) -> Result:
    """Started as the engine starts it, until its first sign; then looked at, then dismissed."""
    seconds: list[float] = []
    resident: list[float] = []
    for number in range(bench.times(50, 10)):
        guard = GuardianProcess()
        began = time.monotonic()
        guard.start(bench.folder / f"journal-{number}", bench.folder, [])
        seconds.append((time.monotonic() - began) * 1000)
        try:
            resident.append(memory_kib(_guardian(), "VmRSS") / 1024)
        finally:
            guard.dismiss()
    return Result(
        rows=(
            row("from its start to its first sign", seconds, "ms", goal=Goal(at_most=150)),
            row("resident memory", resident, "MiB", goal=Goal(at_most=30)),
        )
    )


def _guardian() -> int:
    """The child of this process that is a guardian."""
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text(encoding="ascii")
    for pid in children.split():
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        if b"sloproof.run.guardian" in words:
            return int(pid)
    raise RuntimeError("there is no guardian")


FIGURE = Figure(
    name="guardian",
    place=14,
    title="The guardian's start and memory",
    goal="≤ 150 ms, ≤ 30 MiB",
    method=(
        "The guardian is started as the engine does it; the time goes until its first sign, which "
        "it gives once it has locked its memory. VmRSS right after."
    ),
    measure=measure,
)
