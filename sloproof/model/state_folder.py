"""Where everything is that must outlive a run: journals and locks."""

from __future__ import annotations

import os
from pathlib import Path


def state_dir() -> Path:
    """`SLOPROOF_STATE_DIR`, else the system's or the user's state folder; it may not be there."""
    explicit = os.environ.get("SLOPROOF_STATE_DIR")
    if explicit:
        return Path(explicit)
    if os.geteuid() == 0:
        return Path("/var/lib/sloproof")
    home = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(home) / "sloproof"


def sync(folder: Path) -> None:
    """Let a new name in `folder` outlast a crash of the machine."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
