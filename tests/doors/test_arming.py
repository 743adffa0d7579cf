"""`sloproof arm`: what a host can't do is refused, or left out where that was asked for."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

POWERLESS = ("setpriv", "--bounding-set=-sys_admin", "--inh-caps=-sys_admin")
"""Root that may not mount."""

powerless = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("setpriv") is None, reason="takes root and setpriv"
)


def arm(
    folder: Path, *words: str, before: tuple[str, ...] = (), **environment: str
) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "XDG_CACHE_HOME": str(folder / "cache"), **environment}
    argv = [*before, sys.executable, "-m", "sloproof", "arm", *words]
    return subprocess.run(
        argv, cwd=folder, env=env, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--disk=run=1MiB"], "volumes are there for what is started with them: name a command"),
        (["--disk=run", "--", "true"], '"run" is no PATH=SIZE, such as run/data=64MiB'),
        (["--tmpfs=run=much", "--", "true"], "run=much: "),
    ],
)
def test_a_wrong_command_line_is_refused(tmp_path: Path, words: list[str], said: str) -> None:
    done = arm(tmp_path, *words)
    assert (done.returncode, said in done.stderr) == (2, True), done.stderr
    assert not list(tmp_path.iterdir())


def test_without_a_compiler_a_program_starts_unarmed_where_that_is_allowed(tmp_path: Path) -> None:
    words = ("--", sys.executable, "-c", "print('started')")
    assert arm(tmp_path, *words, CC="no-such-cc").returncode == 2
    done = arm(tmp_path, "--where-possible", *words, CC="no-such-cc")
    assert (done.returncode, done.stdout) == (0, "started\n")
    assert done.stderr.startswith("without the shim: to arm a program takes a C compiler")


@powerless
def test_who_may_not_mount_starts_without_volumes_where_that_is_allowed(tmp_path: Path) -> None:
    words = ("--no-shim", f"--tmpfs={tmp_path / 'run'}=1MiB", "--", "echo", "started")
    refused = arm(tmp_path, *words, before=POWERLESS)
    assert (refused.returncode, refused.stdout) == (4, "")
    assert "volumes need root" in refused.stderr
    done = arm(tmp_path, "--where-possible", *words, before=POWERLESS)
    assert (done.returncode, done.stdout) == (0, "started\n")
    assert done.stderr.startswith("without volumes: no mount namespace of its own")
