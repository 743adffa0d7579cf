"""Claiming a target for a run: nothing of dead runs is left on it, and nobody else tests it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

from sloproof.errors import HarnessError, NotReverted
from sloproof.model.target import Target
from sloproof.run.busy import TargetBusy
from sloproof.run.lock import TargetLock
from sloproof.run.progress import Progress
from sloproof.run.recover import recover

PATIENCE = 180.0
"""Seconds for others to revert a dead run: longer than a guardian tries."""
POLL = 0.1


@contextlib.contextmanager
def claimed(target: Target, state: Path, run: str, progress: Progress) -> Iterator[TargetLock]:
    """The target's lock, held within, taken once everything that dead runs left is reverted.

    Raises `TargetBusy` where another run holds the target, `NotReverted` where something can't be
    undone.
    """
    deadline = time.monotonic() + PATIENCE
    lock = _lock(target, state, run, progress, deadline)
    try:
        while lock.place in _revert_leftovers(state, progress):
            if time.monotonic() > deadline:
                raise HarnessError(
                    f"somebody still reverts a dead run on {target.name}: wait for it"
                )
            time.sleep(POLL)
        yield lock
    finally:
        lock.close()


def _lock(target: Target, state: Path, run: str, progress: Progress, deadline: float) -> TargetLock:
    """Where a dead run's guardian still holds the lock, its work is helped and awaited."""
    place = place_of(target)
    while True:
        try:
            return TargetLock(state, target, place, run)
        except TargetBusy as busy:
            if not busy.dying or time.monotonic() > deadline:
                raise
        _revert_leftovers(state, progress)
        time.sleep(POLL)


def _revert_leftovers(state: Path, progress: Progress) -> set[str]:
    """Revert what can be taken over; gives the places of targets that somebody else is busy at."""
    results = recover(state)
    for result in results:
        if not result.clean:
            left = [f"{one.effect}: {one.error} → {one.remedy}" for one in result.failed]
            raise NotReverted(
                f"run {result.run} left what can't be undone; nothing new is injected before: "
                + "; ".join(left or [result.error])
            )
        if not result.busy:
            progress.say(f"reverted what the dead run {result.run} had left")
    return {result.place for result in results if result.busy}


def place_of(target: Target) -> str:
    """What makes two targets the same: where the values of its start, or its entry, are found."""
    if target.discover is None:
        return target.entry.url
    file = target.discover.file
    return str(Path(target.folder, file).resolve()) if file else str(target.discover.command)
