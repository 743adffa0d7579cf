"""A target held for several runs: one lock, one journal, one guardian, and it stays up between.

What a run changes is put back at its end; the target's own start only when the hold ends.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from sloproof.contracts import Effect, Json
from sloproof.effects.incarnation import Incarnation
from sloproof.errors import HarnessError
from sloproof.model.clock import SystemClock, boot_id
from sloproof.model.secrets import Secrets
from sloproof.model.target import Target
from sloproof.run.claim import claimed
from sloproof.run.control import Bulletin
from sloproof.run.guarding import Guard, GuardianProcess
from sloproof.run.journal import Journal, JournalView, Stage
from sloproof.run.lock import TargetLock
from sloproof.run.progress import Progress
from sloproof.run.reversal import Reverted, revert
from sloproof.run.state import run_folder, tidy

BEAT = 0.5


class Entries(Protocol):
    """The journal as one run works with it."""

    def last(self) -> int:
        """The highest number so far; 0 for none."""
        ...

    def intend(self, effect: Effect, prior: Json, boot: str) -> None:
        """Write down an effect before it is applied."""
        ...

    def mark(self, number: int, stage: Stage, **facts: object) -> None:
        """Write down how far an effect has come."""
        ...

    def view(self) -> JournalView:
        """What it says of this run so far."""
        ...

    def close(self) -> None:
        """Everything of this run is undone."""
        ...

    def release(self) -> None:
        """Something of this run is left."""
        ...


class Lent:
    """A hold's journal, lent to one run: the target's start is none of its business."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def last(self) -> int:
        """The highest number so far, other runs' included."""
        return self._journal.last()

    def intend(self, effect: Effect, prior: Json, boot: str) -> None:
        """As it is."""
        self._journal.intend(effect, prior, boot)

    def mark(self, number: int, stage: Stage, **facts: object) -> None:
        """As it is."""
        self._journal.mark(number, stage, **facts)

    def view(self) -> JournalView:
        """Without what started the target."""
        whole = self._journal.view()
        kept = {
            number: entry
            for number, entry in whole.entries.items()
            if entry.stage is Stage.UNDONE or not entry.load().carries()
        }
        return JournalView(whole.header, kept, whole.closed)

    def close(self) -> None:
        """The hold goes on."""

    def release(self) -> None:
        """The hold tries once more at its end."""


class Shared:
    """A guardian shared by runs; between them a thread gives the signs of life.

    During a run only that run does, so that one that hangs is noticed.
    """

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self._alone = threading.Lock()
        self._idle = threading.Event()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._beat_while_idle, daemon=True)
        self.lost = ""

    def begin(self) -> None:
        """Beat from now on."""
        self._idle.set()
        self._thread.start()

    def start(self, journal: Path, record: Path, keep: Sequence[int]) -> None:
        """It watches already."""

    @property
    def incarnation(self) -> Incarnation | None:
        """Its process."""
        return self._guard.incarnation

    def beat(self, due: int) -> None:
        """A sign of life of the run, which from here on has to give them itself."""
        self._idle.clear()
        with self._alone:
            self._guard.beat(due)

    def dismiss(self) -> None:
        """The run is over: nothing of it is in force."""
        with self._alone, contextlib.suppress(HarnessError):  # a lost one is noted by the next beat
            self._guard.beat(0)
        self._idle.set()

    def end(self) -> None:
        """Dismiss the guardian itself."""
        self._over.set()
        self._thread.join()
        self._guard.dismiss()

    def _beat_while_idle(self) -> None:
        while not self._over.wait(BEAT):
            if not self._idle.is_set():
                continue
            with self._alone:
                try:
                    self._guard.beat(0)
                except HarnessError as error:
                    self.lost = self.lost or str(error)


class LentBulletin(Bulletin):
    """The hold's board, where a run posts its status; taking it down is the hold's."""

    def withdraw(self) -> None:
        """It stays."""


@dataclass(slots=True)
class Hold:
    """What runs need that work on a held target. `step` is what the suite is at."""

    run: str
    lock: TargetLock
    journal: Journal
    guard: Shared
    folder: Path
    work: Path
    step: str = ""
    left: tuple[str, ...] = field(default=())
    """After the end: what could not be put back, and how to do it by hand."""

    @property
    def lost(self) -> str:
        """Why nobody watches over it any more, or ""."""
        return self.guard.lost

    def end(self) -> None:
        """End the target if it was started here, and everything that runs left."""

        def done(result: Reverted) -> None:
            if result.outcome is not None:
                facts = {"outcome": result.outcome, "by": "engine"}
                self.journal.mark(result.number, Stage.UNDONE, **facts)

        try:
            failed = revert(self.journal.view().open_entries, done=done)
            self.left = tuple(f"{one.effect}: {one.error} → {one.remedy}" for one in failed)
        except (HarnessError, OSError) as error:  # what can't be read may stand for anything
            self.left = (f"{error} → sloproof recover",)
        if self.left:
            self.journal.release()
        else:
            self.journal.close()
        self.guard.end()
        tidy(self.folder)


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """How to hold a target: for which run, where state and record are, with which secrets."""

    run: str
    state: Path
    record: Path
    secrets: Secrets
    progress: Progress

    @contextlib.contextmanager
    def of(self, target: Target, files: Sequence[str]) -> Iterator[Hold]:
        """The target, held within; raises as `claimed` does, or where there is no guardian."""
        with (
            claimed(target, self.state, self.run, self.progress) as lock,
            self.secrets.exported(),
        ):
            hold = self._begun(lock, target, files)
            try:
                yield hold
            finally:
                hold.end()

    def _begun(self, lock: TargetLock, target: Target, files: Sequence[str]) -> Hold:
        folder = run_folder(self.state, self.run)
        work = self.record / "work"
        work.mkdir(exist_ok=True)
        header = {
            "run": self.run,
            "target": target.name,
            "place": lock.place,
            "origin": SystemClock().now(),
            "files": list(files),
            "boot": boot_id(),
        }
        journal = Journal.create(folder / "journal", header, self.secrets)
        guard = GuardianProcess()
        try:
            guard.start(journal.path, self.record, lock.fds)
            journal.add({"guardian": str(guard.incarnation)})
        except (HarnessError, OSError):
            guard.dismiss()
            journal.close()
            tidy(folder)
            raise
        shared = Shared(guard)
        shared.begin()
        return Hold(self.run, lock, journal, shared, folder, work)
