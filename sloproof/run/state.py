"""Where runs keep what must outlive them: journals, locks, a line of status each."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from sloproof.model.state_folder import state_dir

__all__ = ["VOLATILE", "run_folder", "run_folders", "state_dir", "tidy"]

VOLATILE = ("status.json", "status.json.partial", "stop", "answer.json", "taken.json")
"""What a run keeps in its folder beside the journal."""


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
