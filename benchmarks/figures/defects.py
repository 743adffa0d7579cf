"""Seeded defects of the harness and its surroundings: none may end in PASS."""

from __future__ import annotations

import os
import subprocess
import sys
from xml.etree import ElementTree as ET

from benchmarks.figure import Bench, Figure, Goal, Result, Row
from benchmarks.machine import ROOT

CATALOGUE = "tests/truth/defects"
LEAST = 25


def measure(bench: Bench) -> Result:
    """The catalogue is the tests' own; each of its tests injects one defect."""
    report = bench.folder / "junit.xml"
    argv = [sys.executable, "-m", "pytest", CATALOGUE, "-k", "does_not_pass", "-q"]
    done = subprocess.run(
        [*argv, f"--junitxml={report}"],
        cwd=ROOT,
        env={**os.environ, "SLOPROOF_TRUTH": "full"},
        capture_output=True,
        text=True,
        check=False,
    )
    suite = ET.parse(report).getroot().find("testsuite")  # noqa: S314 - pytest has just written it
    assert suite is not None, done.stdout[-800:]
    count = {name: int(suite.get(name, "0")) for name in ("tests", "failures", "errors", "skipped")}
    broken = count["failures"] + count["errors"]
    tried = count["tests"] - count["skipped"]
    return Result(
        rows=(
            _row("defects that were injected", tried, tried, Goal(at_least=LEAST)),
            _row("defects that ended in PASS, or whose test broke", broken, tried, Goal(at_most=0)),
            _row("defects that this machine can't inject", count["skipped"], count["tests"]),
        ),
    )


def _row(what: str, value: int, of: int, goal: Goal | None = None) -> Row:
    return Row(what=what, value=value, unit="", statistic="count", repetitions=of, goal=goal)


FIGURE = Figure(
    name="defects",
    place=15,
    title="Seeded defects of the harness",
    goal=f"at least {LEAST}, not one ends in PASS",
    method=(
        "`pytest tests/truth/defects -k does_not_pass`: each test injects one defect, into a "
        "record, a simulated run or a real one, and asks for the verdict."
    ),
    measure=measure,
)
