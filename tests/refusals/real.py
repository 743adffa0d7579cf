"""The command line as a process of its own, with what it cost."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
LONGEST = 60
DAC = "dac_override,-dac_read_search"
"""The capabilities by which root overrides permissions."""
MEASURED = """
import atexit, sys
from pathlib import Path
report = Path(sys.argv.pop(1))
atexit.register(lambda: report.write_text(Path("/proc/self/status").read_text()))
from sloproof.cli import main
main()
"""
"""`getrusage` would count the memory of the process that forked this one as well."""


@dataclass(frozen=True, slots=True)
class Done:
    """How a process ended: its status, its words, the most memory and the seconds it took."""

    status: int
    out: str
    err: str
    mib: float
    seconds: float


def sloproof(project: Path, *words: str, before: Sequence[str] = ()) -> Done:
    """`sloproof` in a project's folder, perhaps through a program that comes `before` it."""
    report = project.parent / "memory"
    here = {"SLOPROOF_STATE_DIR": str(project.parent / "state"), "PYTHONPATH": str(ROOT)}
    began = time.monotonic()
    done = subprocess.run(
        [*before, sys.executable, "-c", MEASURED, str(report), *words],
        cwd=project,
        env={**os.environ, **here},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LONGEST,
        check=False,
    )
    took = time.monotonic() - began
    peak = re.search(r"VmHWM:\s*(\d+) kB", report.read_text())
    assert peak is not None
    return Done(done.returncode, done.stdout, done.stderr, int(peak[1]) / 1024, took)


def without_roots_power() -> list[str]:
    """What a command is started through so that permissions bind it though root runs it."""
    return ["setpriv", f"--bounding-set=-{DAC}"] if os.geteuid() == 0 else []
