"""Undoing what dead runs left: journals whose lock is free."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sloproof.effects.incarnation import Incarnation
from sloproof.errors import SloproofError
from sloproof.model.secrets import Secrets
from sloproof.run.journal import Journal, JournalBusy, JournalView, Stage, read_journal
from sloproof.run.reversal import Reverted, revert
from sloproof.run.state import run_folders, tidy


@dataclass(frozen=True, slots=True)
class Leftover:
    """A journal that a dead run left: the run, its target, what may still be in the world."""

    run: str
    journal: Path
    target: str
    effects: tuple[str, ...]
    error: str = ""


@dataclass(frozen=True, slots=True)
class Recovered:
    """How the recovery of one run went: what was undone, what could not be.

    `busy` where somebody else holds its journal: the run itself, its guardian, another recovery.
    """

    run: str
    undone: tuple[Reverted, ...] = ()
    failed: tuple[Reverted, ...] = ()
    error: str = ""
    busy: bool = False
    place: str = ""

    @property
    def clean(self) -> bool:
        """Whether nothing that could be undone is left of it."""
        return not self.failed and not self.error


def leftovers(state: Path) -> list[Leftover]:
    """The journals of dead runs; touches nothing."""
    found: list[Leftover] = []
    for folder in run_folders(state):
        path = folder / "journal"
        try:
            journal = Journal.open(path)
        except (JournalBusy, FileNotFoundError):
            continue
        try:
            found.append(_leftover(folder.name, path, journal.view()))
        except SloproofError as error:
            found.append(Leftover(folder.name, path, "", (), str(error)))
        finally:
            journal.release()
    return found


def _leftover(run: str, path: Path, view: JournalView) -> Leftover:
    names = tuple(entry.named() for entry in view.open_entries)
    return Leftover(run, path, str(view.header.get("target", "")), names)


@contextmanager
def _informed(view: JournalView) -> Iterator[None]:
    """Find the secrets that the environment lacks in the files that the run was made from."""
    named = {name for entry in view.open_entries for name in entry.secrets.values()}
    missing = named - set(os.environ)
    found: dict[str, str] = {}
    if missing:
        from sloproof.spec.literal import literal_secrets

        for file in view.header.get("files", []):
            found = literal_secrets(Path(file)) | found
    with Secrets({name: found[name] for name in missing & set(found)}).exported():
        yield


def recover(
    state: Path, *, told: Callable[[str, Reverted], None] = lambda *_: None
) -> list[Recovered]:
    """Undo what dead runs left; `told` hears of each effect. A run that lives is left alone."""
    results: list[Recovered] = []
    for folder in run_folders(state):
        path = folder / "journal"
        try:
            journal = Journal.open(path)
        except JournalBusy:
            results.append(Recovered(folder.name, busy=True, place=_place(path)))
            continue
        except FileNotFoundError:
            continue
        try:
            with _informed(journal.view()):
                results.append(_recover_one(folder.name, journal, told))
        except SloproofError as error:
            journal.release()
            results.append(Recovered(folder.name, error=str(error)))
    return results


def _place(path: Path) -> str:
    """Where the target of a journal is that somebody else holds; "" where it can't be read."""
    try:
        return str(read_journal(path).header.get("place", ""))
    except (SloproofError, OSError):
        return ""


def _recover_one(run: str, journal: Journal, told: Callable[[str, Reverted], None]) -> Recovered:
    """Undo what the journal says, in place of a guardian that is dead or stands still."""
    view = journal.view()
    guardian = view.header.get("guardian")
    if guardian:
        Incarnation.parse(str(guardian)).send(signal.SIGKILL)
    undone: list[Reverted] = []

    def done(result: Reverted) -> None:
        told(run, result)
        if result.outcome is not None:
            undone.append(result)
            journal.mark(result.number, Stage.UNDONE, outcome=result.outcome, by="recover")

    failed = revert(view.open_entries, done=done)
    if failed:
        journal.release()
    else:
        journal.close()
        tidy(journal.path.parent)
    return Recovered(run, tuple(undone), tuple(failed))
