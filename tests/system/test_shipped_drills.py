"""The suites that come with the project, from the first command to the signed report."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sloproof.run.control import statuses
from tests.system.running import ROOT, Bench, soon

PATIENCE = 300.0
"""Seconds from one manual step to the next: three experiments, each behind its gate, at most."""
OPERATOR = "On-call engineer"


def waits(bench: Bench, run: subprocess.Popen[str], step: str) -> None:
    """Return once the drill waits for somebody to do this step."""

    def so() -> bool:
        assert run.poll() is None, f"it ended before {step}: {run.communicate()}"
        return any(each.waits_for and each.step == step for each in statuses(bench.state))

    soon(so, PATIENCE, step)


def confirm(bench: Bench, *words: str, by: str = OPERATOR) -> None:
    done = bench.sloproof("confirm", *words, "--by", by, "--note", "done")
    assert done.returncode == 0, done.stderr


def outcome_of(run: subprocess.Popen[str], seconds: float) -> dict[str, Any]:
    out, words = run.communicate(timeout=seconds)
    assert out, words
    said: dict[str, Any] = json.loads(out)
    assert (run.returncode, said["outcome"]) == (0, "PASS"), words
    return said


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_monthly_drill_from_its_announcement_to_its_signatures(bench: Bench) -> None:
    project = bench.folder / "project"
    for name in ("experiments", "slo"):
        shutil.copytree(ROOT / name, project / name)
    bench.settings = {}
    run = bench.start(project / "experiments" / "suites" / "monthly-dr-drill.yaml")
    try:
        waits(bench, run, "announce")
        confirm(bench, by="Head of Operations")
        waits(bench, run, "fail-back")
        state = project / ".digital-human" / "drill.json"
        subprocess.run(
            [sys.executable, "-m", "digital_human", "failback", "store-a-1", f"--state={state}"],
            cwd=ROOT,
            check=True,
            timeout=60,
        )
        confirm(bench)
        waits(bench, run, "dashboards")
        confirm(bench)
        record = Path(outcome_of(run, PATIENCE)["record"])
    finally:
        run.kill()
        run.wait()
    confirm(bench, str(record), by="Head of Operations")
    confirm(bench, str(record))
    judged = bench.sloproof("judge", str(record))
    assert judged.returncode == 0, judged.stdout
    page = (record / "report.html").read_text()
    assert "4 of 4" in page
    assert all(words in page for words in ("Head of Operations", OPERATOR, "Lost data"))
    assert list(bench.folder.glob("state/**/journal*")) == []
