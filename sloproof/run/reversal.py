"""Undoing: newest first, unrelated effects at once, each with its deadline and its retries.

The engine, the guardian and `recover` all undo through here.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sloproof.contracts.effect import Effect, Undone
from sloproof.effects.doubt import undo_in_doubt
from sloproof.errors import HarnessError, SloproofError, said
from sloproof.model.clock import boot_id
from sloproof.run.journal import Entry, Stage

ATTEMPTS = 3
PAUSE = 0.2
POLL = 0.02

Loaded = tuple[Entry, Effect]
Done = Callable[["Reverted"], None]


@dataclass(frozen=True, slots=True)
class Reverted:
    """How one undo ended: `outcome`, or the error and the remedy where it failed."""

    number: int
    effect: str
    outcome: Undone | None
    error: str = ""
    remedy: str = ""


def revert(
    entries: Sequence[Entry], *, done: Done, meanwhile: Callable[[], None] = lambda: None
) -> list[Reverted]:
    """Undo `entries`; gives those that failed. `done` hears of each one, from this thread.

    `meanwhile` is called every few milliseconds while undos run, so that heartbeats go on. What
    other effects stand on (a started target) comes after them; then what failed is tried once
    more, as it may be gone with that. Lasting changes of a target that is itself among `entries`
    need no repair: they go with it.
    """
    failed: list[Reverted] = []
    loaded: list[Loaded] = []
    for entry in sorted(entries, key=lambda e: -e.number):
        try:
            loaded.append((entry, entry.load()))
        except SloproofError as error:
            failed.append(Reverted(entry.number, str(entry.effect.get("kind")), None, str(error)))
            _tell(done, failed[-1])
    foundations = [one for one in loaded if one[1].foundation]
    carried = any(effect.carries() for _, effect in foundations)
    goes_along = [one for one in loaded if carried and one[1].lasting]
    first = [one for one in loaded if one not in foundations and one not in goes_along]
    left = _revert_all(first, done, meanwhile)
    stands = _revert_all(foundations, done, meanwhile)
    if foundations and left:
        numbers = {one.number for one in left}
        left = _revert_all([one for one in first if one[0].number in numbers], done, meanwhile)
    for entry, effect in goes_along:
        _tell(done, Reverted(entry.number, str(effect), Undone.ABSENT))
    return failed + left + stands


def _revert_all(some: list[Loaded], done: Done, meanwhile: Callable[[], None]) -> list[Reverted]:
    """One thread a touched thing; its next undo waits for the one before, ended or given up."""
    groups: dict[str, list[Loaded]] = defaultdict(list)
    for one in some:
        groups[one[1].touches()].append(one)
    waiting = [_Chain(group) for group in groups.values()]
    failed: list[Reverted] = []
    while waiting:
        for chain in list(waiting):
            result = chain.poll()
            if result is not None:
                _tell(done, result)
                failed += [result] if result.outcome is None else []
            if chain.finished:
                waiting.remove(chain)
        with contextlib.suppress(HarnessError, OSError):  # nothing may keep an undo from running
            meanwhile()
        if waiting:
            time.sleep(POLL)
    return failed


def longest(effect: Effect) -> float:
    """How many seconds the undo of an effect gets, all attempts together."""
    return ATTEMPTS * (effect.patience().seconds + PAUSE + 2 * effect.settle.seconds)


def _tell(done: Done, result: Reverted) -> None:
    """What can't be written down has happened all the same: the other undos go on."""
    with contextlib.suppress(HarnessError, OSError):
        done(result)


class _Chain:
    """The undos of effects that touch one thing, one after the other."""

    def __init__(self, group: list[Loaded]) -> None:
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
        self._deadline = time.monotonic() + longest(effect)
        self._outcome: Undone | None = None
        self._error = ""
        self._thread = threading.Thread(target=self._work, daemon=True)
        try:
            self._thread.start()
        except RuntimeError:  # the host allows no more threads: then one after the other
            self._work()

    def _work(self) -> None:
        for attempt in range(ATTEMPTS):
            if attempt:
                time.sleep(PAUSE)
            try:
                self._outcome = undo(self._entry, self._effect)
            except BaseException as error:  # noqa: BLE001 - one failed undo may keep none from running
                self._error = said(error)
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
        said = (name, "" if outcome else error, remedy)
        name, error, remedy = map(self._entry.mask, said)
        return Reverted(self._entry.number, name, outcome, error, remedy)


def undo(entry: Entry, effect: Effect) -> Undone:
    """Undo one effect; one in doubt until its absence was seen throughout its `settle`."""
    if effect.volatile and entry.boot != boot_id():
        return Undone.ABSENT
    prior = entry.before()
    if entry.stage is Stage.APPLIED:
        return effect.undo(prior)
    return undo_in_doubt(effect, prior)
