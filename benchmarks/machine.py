"""What a figure was measured on and with; no host name and no user."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from sloproof import __version__

ROOT = Path(__file__).parents[1]
WRITTEN = ("benchmarks/results.json", "docs/benchmarks.md")
"""What measuring itself writes; changes there don't make another commit of the code."""
LIBRARIES = ("locust", "gevent", "numpy", "pyarrow", "pydantic", "altair", "pytest")


def machine() -> dict[str, Any]:
    """Cores, memory, processor, kernel."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "cores": os.cpu_count(),
        "memory_gib": round(memory / 2**30, 1),
        "cpu": _cpu(),
        "kernel": f"{platform.system()} {platform.release()} {platform.machine()}",
    }


def versions() -> dict[str, str]:
    """Ours, Python's, and those of the libraries that the figures depend on."""
    own = {"sloproof": __version__, "python": platform.python_version()}
    return {**own, **{name: version(name) for name in LIBRARIES}}


def moment() -> dict[str, Any]:
    """When and of which commit, and how busy the machine was already."""
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": commit(),
        "load_before": load(),
    }


def load() -> float:
    """How many processes wanted a core in the last minute."""
    return round(os.getloadavg()[0], 1)


def commit() -> str:
    """The commit measured, with `+` where files were changed since."""
    head = _git("rev-parse", "--short=12", "HEAD")
    if not head:
        return ""
    excluded = [f":(exclude){name}" for name in WRITTEN]
    changed = _git("status", "--porcelain", "--untracked-files=no", "--", ".", *excluded)
    return head + ("+" if changed else "")


def _git(*words: str) -> str:
    try:
        said = subprocess.run(
            ["git", *words], cwd=ROOT, capture_output=True, text=True, timeout=10, check=False
        )
    except OSError:
        return ""
    return said.stdout.strip() if said.returncode == 0 else ""


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace").splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.processor() or "unknown"
