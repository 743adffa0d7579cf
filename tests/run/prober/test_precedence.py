"""Precedence over a busy target, and how it is lost."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.run.prober.stage import ROOT

SCRIPT = """
import os, subprocess, sys, time
from sloproof.run.precedence import take_precedence
child = "import os; print(os.sched_getscheduler(0) & 3)"
def policy():
    return os.sched_getscheduler(0) & 3
print(take_precedence(), policy())
print(subprocess.check_output([sys.executable, "-c", child], text=True).strip())
deadline = time.monotonic() + 20
while policy() == os.SCHED_RR and time.monotonic() < deadline:
    pass
print(policy())
"""


def test_precedence_is_not_inherited_and_lost_by_working_without_a_pause() -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, check=True
    )
    got, policy, childs, later = done.stdout.split()
    if got != "round-robin":
        pytest.skip("real-time scheduling is not allowed here")
    assert int(policy) == os.SCHED_RR
    assert int(childs) == os.SCHED_OTHER
    assert int(later) == os.SCHED_OTHER
