"""What a run ran on and with: versions, host, commit, seed; no host name and no user."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from sloproof import __version__

LIBRARIES = ("locust", "gevent", "aiohttp", "pydantic", "pyarrow", "numpy")


def environment(project: Path, seed: int) -> dict[str, Any]:
    """The content of `environment.json`."""
    return {
        "sloproof": __version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "cpus": os.cpu_count(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "root": os.geteuid() == 0,
        "libraries": {name: _version(name) for name in LIBRARIES},
        "commit": _commit(project),
        "seed": seed,
    }


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _commit(project: Path) -> str:
    """The commit of the project that holds the experiment, with `+` where files were changed."""
    try:
        said = subprocess.run(
            ["git", "-C", str(project), "describe", "--always", "--dirty=+", "--abbrev=12"],
            capture_output=True,
            text=True,
            timeout=5,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return said.stdout.strip() if said.returncode == 0 else ""
