"""What `sloproof init` writes works as it stands, and so does a fault added as one file."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ONE_FILE = """
from sloproof.contracts import Fault, Pauses


class Nap(Fault):
    \"\"\"A copy stands still: the same as a pause, by another name.\"\"\"

    needs = (Pauses,)
    points_at = "instances"

    def plan(self, where, on):
        return [on.pause(copy) for copy in where.instances]
"""


def sloproof(folder: Path, *argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "sloproof", *argv],
        cwd=folder,
        env={**os.environ, "SLOPROOF_STATE_DIR": str(folder / "state")},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def test_the_first_project_passes_with_a_fault_of_its_own(tmp_path: Path) -> None:
    assert sloproof(tmp_path, "init", ".").returncode == 0
    (tmp_path / "fault_injectors").mkdir(exist_ok=True)
    (tmp_path / "fault_injectors" / "nap.py").write_text(ONE_FILE)
    experiment = tmp_path / "experiments" / "pause.yaml"
    text = experiment.read_text()
    assert text.count("inject: pod_pause") == 1
    experiment.write_text(text.replace("inject: pod_pause", "inject: nap"))
    listed = sloproof(tmp_path, "faults", "--json")
    assert "nap" in listed.stdout
    planned = sloproof(tmp_path, "plan", "experiments")
    assert planned.returncode == 0, planned.stdout + planned.stderr
    ran = sloproof(tmp_path, "run", "experiments/pause.yaml", "--json")
    said = json.loads(ran.stdout)
    assert (ran.returncode, said["outcome"]) == (0, "PASS"), ran.stderr
    assert Path(tmp_path, said["report"]).stat().st_size > 10_000
    assert not (Path(tmp_path, said["record"]) / "work" / "load").exists()
