"""Undoing: newest first, unrelated effects at once, each with its deadline and its retries.

The engine, the guardian and `recover` all undo through here.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sloproof.contracts.effect import Effect, Undone
from sloproof.errors import SloproofError
from sloproof.model.clock import boot_id
from sloproof.run.journal import Entry, Stage

ATTEMPTS = 3
PAUSE = 0.2
POLL = 0.02


@dataclass(frozen=True, slots=True)
class Reverted:
    """How one undo ended: `outcome`, or the error and the remedy where it failed."""

    number: int
    effect: str
    outcome: Undone | None
    error: str = ""
    remedy: str = ""


def revert(
    entries: Sequence[Entry],
    *,
    done: Callable[[Reverted], None],
    meanwhile: Callable[[], None] = lambda: None,
) -> list[Reverted]:
    """Undo `entries`; gives those that failed. `done` hears of each one, from this thread.

    `meanwhile` is called every few milliseconds while undos run, so that heartbeats go on. What
    other effects stand on (a started target) comes last.
    """
    failed: list[Reverted] = []
    loaded = [(entry, _loaded(entry)) for entry in sorted(entries, key=lambda e: -e.number)]
    for foundation in (False, True):
        groups: dict[str, list[tuple[Entry, Effect]]] = defaultdict(list)
        for entry, effect in loaded:
            if isinstance(effect, Reverted):
                if not foundation:
                    done(effect)
                    failed.append(effect)
            elif effect.foundation is foundation:
                groups[effect.touches()].append((entry, effect))
        failed += _revert_groups(list(groups.values()), done, meanwhile)
    return failed


def _loaded(entry: Entry) -> Effect | Reverted:
    try:
        return entry.load()
    except SloproofError as error:
        return Reverted(entry.number, str(entry.effect.get("kind")), None, str(error))


def _revert_groups(
    groups: list[list[tuple[Entry, Effect]]],
    done: Callable[[Reverted], None],
    meanwhile: Callable[[], None],
) -> list[Reverted]:
    """One thread a group; a group's next undo waits for the one before, ended or given up."""
    waiting = [_Chain(group) for group in groups]
    failed: list[Reverted] = []
    while waiting:
        for chain in list(waiting):
            result = chain.poll()
            if result is not None:
                done(result)
                failed += [result] if result.outcome is None else []
            if chain.finished:
                waiting.remove(chain)
        meanwhile()
        if waiting:
            time.sleep(POLL)
    return failed


class _Chain:
    """The undos of effects that touch one thing, one after the other."""

    def __init__(self, group: list[tuple[Entry, Effect]]) -> None:
        self._left = list(group)
        self._attempt: _Attempt | None = None

    @property
    def finished(self) -> bool:
        return not self._left and self._attempt is None

    def poll(self) -> Reverted | None:
        if self._attempt is None:
            self._attempt = _Attempt(*self._left.pop(0))
        result = self._attempt.result()
        if result is not None:
            self._attempt = None
        return result


class _Attempt:
    """One effect's undo in a thread of its own, given up at its deadline."""

    def __init__(self, entry: Entry, effect: Effect) -> None:
        self._entry = entry
        self._effect = effect
        each = effect.deadline.seconds + PAUSE + 2 * effect.settle.seconds
        self._deadline = time.monotonic() + ATTEMPTS * each
        self._outcome: Undone | None = None
        self._error = ""
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def _work(self) -> None:
        for attempt in range(ATTEMPTS):
            if attempt:
                time.sleep(PAUSE)
            try:
                self._outcome = undo(self._entry, self._effect)
            except Exception as error:  # noqa: BLE001 - one failed undo may keep none from running
                self._error = str(error) or type(error).__name__
            else:
                return

    def result(self) -> Reverted | None:
        hung = self._thread.is_alive()
        if hung and time.monotonic() < self._deadline:
            return None
        outcome = None if hung else self._outcome
        error = "the undo did not end in time" if hung else self._error
        remedy = "" if outcome else self._effect.remedy()
        name = str(self._effect)
        return Reverted(self._entry.number, name, outcome, "" if outcome else error, remedy)


def undo(entry: Entry, effect: Effect) -> Undone:
    """Undo one effect; one in doubt until its absence was seen throughout its `settle`."""
    if effect.volatile and entry.boot != boot_id():
        return Undone.ABSENT
    outcome = effect.undo(entry.prior)
    if entry.stage is Stage.APPLIED or not effect.settle.ns:
        return outcome
    quiet_since = time.monotonic()
    while time.monotonic() - quiet_since < effect.settle.seconds:
        time.sleep(POLL)
        if effect.present(entry.prior):
            outcome = effect.undo(entry.prior)
            quiet_since = time.monotonic()
    return outcome
