"""The command line as a process of its own, with what it cost."""

from __future__ import annotations

import os
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


@dataclass(frozen=True, slots=True)
class Done:
    """How a process ended: its status, its words, the memory and the seconds it took."""

    status: int
    out: str
    err: str
    mib: float
    seconds: float


def sloproof(project: Path, *words: str, before: Sequence[str] = ()) -> Done:
    """`sloproof` in a project's folder, perhaps through a program that comes `before` it."""
    said, told = project.parent / "out", project.parent / "err"
    environment = {
        **os.environ,
        "SLOPROOF_STATE_DIR": str(project.parent / "state"),
        "PYTHONPATH": str(ROOT),
    }
    limits = ["timeout", "--signal=KILL", str(LONGEST)]
    with said.open("w") as out, told.open("w") as err:
        began = time.monotonic()
        process = subprocess.Popen(
            [*limits, *before, sys.executable, "-m", "sloproof", *words],
            cwd=project,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        took = time.monotonic() - began
    return Done(
        process.returncode, said.read_text(), told.read_text(), usage.ru_maxrss / 1024, took
    )


def without_roots_power() -> list[str]:
    """What a command is started through so that permissions bind it though root runs it."""
    return ["setpriv", f"--bounding-set=-{DAC}"] if os.geteuid() == 0 else []
