"""Seeing and stopping a run from another terminal, through its folder in the state folder."""

from __future__ import annotations

import contextlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from sloproof.effects.incarnation import Incarnation
from sloproof.errors import UsageError
from sloproof.model.figures import Live
from sloproof.run.state import run_folder, run_folders, tidy


@dataclass(frozen=True, slots=True)
class Status:
    """A run as it says itself: what it does now and what is in force.

    `figures` are the load's of the moment, where there are any, and `line` is they in words.
    """

    run: str
    experiment: str
    target: str
    engine: str
    phase: str
    remaining_s: float
    faults: tuple[str, ...]
    line: str
    record: str
    figures: Live | None = None
    suite: str = ""
    """The run of the suite that it is a part of, or that it is."""
    step: str = ""
    """The suite's step."""
    waits_for: str = ""
    """What people are to do, where a suite waits for that."""


class Bulletin:
    """The running engine's end: write the status, read the wish to stop."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def post(self, status: Status) -> None:
        """Replace the status at once, so that no reader sees half of it.

        A status that can't be written stays as it was: it must not end a run, still less its end.
        """
        partial = self._folder / "status.json.partial"
        with contextlib.suppress(OSError):
            partial.write_text(json.dumps(asdict(status)), encoding="utf-8")
            partial.rename(self._folder / "status.json")

    def stop_wanted(self) -> bool:
        """Whether somebody asked for a stop."""
        return (self._folder / "stop").exists()

    def withdraw(self) -> None:
        """The run is over: remove status, wish and the folder if nothing else is in it."""
        tidy(self._folder)


def statuses(state: Path) -> list[Status]:
    """The runs that live now."""
    found: list[Status] = []
    for folder in run_folders(state):
        try:
            data = json.loads((folder / "status.json").read_text("utf-8"))
        except (OSError, ValueError):
            continue
        figures = data.pop("figures", None)
        data |= {"faults": tuple(data["faults"]), "figures": Live(**figures) if figures else None}
        status = Status(**data)
        if Incarnation.parse(status.engine).alive():
            found.append(status)
    return found


def stop(state: Path, run: str = "") -> Status:
    """Ask a run to end its faults and itself; without `run` there must be just one.

    Raises `UsageError` where there is no such run, or several and none was named.
    """
    living = statuses(state)
    wanted = [status for status in living if not run or run in (status.run, status.suite)]
    if len(wanted) != 1:
        names = ", ".join(status.run for status in living) or "none"
        wish = f"no run {run!r} lives" if run else "name one run to stop"
        raise UsageError(f"{wish}; running now: {names}")
    (run_folder(state, wanted[0].suite or wanted[0].run) / "stop").touch()
    return wanted[0]
