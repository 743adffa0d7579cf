"""Where runs keep what must outlive them: journals, locks, a line of status each."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

VOLATILE = ("status.json", "status.json.partial", "stop", "answer.json")
"""What a run keeps in its folder beside the journal."""


def state_dir() -> Path:
    """`SLOPROOF_STATE_DIR`, else the system's or the user's state folder; it may not be there."""
    explicit = os.environ.get("SLOPROOF_STATE_DIR")
    if explicit:
        return Path(explicit)
    if os.geteuid() == 0:
        return Path("/var/lib/sloproof")
    home = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(home) / "sloproof"


def run_folder(state: Path, run: str) -> Path:
    """The folder of one run inside the state folder."""
    return state / "runs" / run


def tidy(folder: Path) -> None:
    """Remove what an ended run no longer needs, and its folder where no journal keeps it."""
    with contextlib.suppress(OSError):
        for name in VOLATILE:
            (folder / name).unlink(missing_ok=True)
        folder.rmdir()


def run_folders(state: Path) -> Iterator[Path]:
    """The folders of all runs that left one, oldest first."""
    runs = state / "runs"
    if runs.is_dir():
        yield from sorted(folder for folder in runs.iterdir() if (folder / "journal").is_file())
