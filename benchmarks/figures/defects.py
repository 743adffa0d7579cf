"""Seeded defects of the harness and its surroundings: none may end in PASS."""

from __future__ import annotations

import subprocess
import sys
from xml.etree import ElementTree as ET

from benchmarks.figure import Bench, Figure, Goal, Result, Row
from benchmarks.machine import ROOT

NOTHING_COLLECTED = 5
LEAST = 25


def measure(bench: Bench) -> Result:
    """The catalogue is the tests' own; each of its tests injects one defect."""
    if not (ROOT / "tests" / "truth").is_dir():
        return Result(missing=("there is no catalogue of defects in tests/truth yet",))
    report = bench.folder / "junit.xml"
    argv = [sys.executable, "-m", "pytest", "tests/truth", "-k", "defect", "-q"]
    done = subprocess.run(
        [*argv, f"--junitxml={report}"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode == NOTHING_COLLECTED:
        return Result(missing=("tests/truth has no test of a defect yet",))
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
    method="`pytest tests/truth -k defect`: each test injects one defect and asks for the verdict.",
    measure=measure,
)
