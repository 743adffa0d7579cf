"""The journal: every effect with the state before it, on disk before it is applied.

One file a run, preallocated, mode 0600; lines of JSON, each synced. Whoever holds its lock may
write and undo. The reader stops at the first byte that was never written or at a torn last line.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from sloproof.contracts.effect import Effect, Json
from sloproof.effects import effect_from_json, effect_to_json
from sloproof.errors import BrokenRecord, HarnessError
from sloproof.model.secrets import NO_SECRETS, Secrets, known_here, resolved
from sloproof.model.state_folder import sync
from sloproof.run.state import tidy

PREALLOCATED = 1 << 20
GLANCE = 0.2
"""Seconds for which somebody may hold a journal only to look into it."""
POLL = 0.02


class Stage(StrEnum):
    """How far an effect has come."""

    INTENDED = "intended"
    """Journalled; whether it was applied isn't known. This is the state in doubt."""
    APPLIED = "applied"
    REFUSED = "refused"
    """`apply` failed with an answer: as far as known nothing changed; undone all the same."""
    UNDONE = "undone"


@dataclass(frozen=True, slots=True)
class Entry:
    """One effect in the journal."""

    number: int
    effect: Json
    prior: Json
    boot: str
    stage: Stage = Stage.INTENDED
    secrets: Mapping[str, str] = field(default_factory=dict)
    """The references that stand for secrets in `effect` and `prior`, with their variables."""

    def load(self) -> Effect:
        """The effect itself.

        Raises `EffectError` where its class is gone, `HarnessError` where a secret isn't known.
        """
        return effect_from_json(resolved(self.effect, self.secrets))

    def named(self) -> str:
        """What it changes, with references as they are; raises `EffectError` like `load`."""
        return str(effect_from_json(self.effect))

    def before(self) -> Json:
        """The state before, complete; raises `HarnessError` where a secret isn't known."""
        prior: Json = resolved(self.prior, self.secrets)
        return prior

    def mask(self, text: str) -> str:
        """What may be said of `text`, which came of this effect."""
        return known_here(self.secrets).mask(text)


@dataclass(frozen=True, slots=True)
class JournalView:
    """What a journal says: whose it is, its effects by number, whether it was closed."""

    header: Json
    entries: dict[int, Entry]
    closed: bool

    @property
    def open_entries(self) -> list[Entry]:
        """What may still be in the world, newest first."""
        left = [entry for entry in self.entries.values() if entry.stage is not Stage.UNDONE]
        return sorted(left, key=lambda entry: -entry.number)


class JournalBusy(HarnessError):
    """Somebody else holds the journal's lock."""


class Journal:
    """An open, locked journal. `create` for a new run, `open` to take one over."""

    def __init__(self, path: Path, fd: int, end: int, secrets: Secrets = NO_SECRETS) -> None:
        self.path = path
        self._secrets = secrets
        self._fd = fd
        self._end = end
        self._room = PREALLOCATED
        self._writing = threading.Lock()

    @classmethod
    def create(
        cls, path: Path, header: Mapping[str, Any], secrets: Secrets = NO_SECRETS
    ) -> Journal:
        """A new journal with its first line, locked; raises `HarnessError` where it can't be.

        In place of each secret it holds a reference to the environment variable that holds it.
        """
        fd, making = -1, path.with_name(f"{path.name}.new")  # nobody may find it half made
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            if path.exists():
                raise FileExistsError(errno.EEXIST, "there is one already")
            fd = os.open(making, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.posix_fallocate(fd, 0, PREALLOCATED)
            journal = cls(path, fd, 0, secrets)
            journal.add(header)
            making.rename(path)
            sync(path.parent)
        except (OSError, HarnessError) as error:
            if fd >= 0:
                os.close(fd)
                making.unlink(missing_ok=True)
                tidy(path.parent)
            raise HarnessError(f"can't write the journal {path}: {error}") from error
        return journal

    @classmethod
    def open(cls, path: Path, *, patience: float = GLANCE) -> Journal:
        """Take over a journal; raises `JournalBusy` where its lock is held for so many seconds.

        Raises `FileNotFoundError` where there is none, or none any more.
        """
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        deadline = time.monotonic() + patience
        while not _locks(fd):
            if time.monotonic() > deadline:
                os.close(fd)
                raise JournalBusy(f"{path} is held by somebody who lives")
            time.sleep(POLL)
        if not os.fstat(fd).st_nlink:
            os.close(fd)
            raise FileNotFoundError(f"{path}: whoever held it has closed it")
        raw = path.read_bytes()
        journal = cls(path, fd, len(_written(raw)))
        journal._room = len(raw)
        return journal

    def add(self, header: Mapping[str, Any]) -> None:
        """Write down more of what the journal as a whole is about."""
        self._append({"type": "run", **header})

    def intend(self, effect: Effect, prior: Json, boot: str) -> None:
        """Write down an effect before it is applied."""
        number = effect.owner.number if effect.owner else 0
        plain = {"effect": effect_to_json(effect), "prior": prior}
        hidden, references = self._secrets.referring(plain)
        line = {"number": number, **hidden, "boot": boot}
        if references:
            line["secrets"] = references
        self._append({"type": Stage.INTENDED, **line})

    def mark(self, number: int, stage: Stage, **facts: Any) -> None:
        """Write down how far an effect has come."""
        self._append({"type": stage, "number": number, **self._secrets.masked(facts)})

    def last(self) -> int:
        """The highest number of an effect so far; 0 for none."""
        return max(self.view().entries, default=0)

    def view(self) -> JournalView:
        """What it says so far."""
        return read_journal(self.path)

    def close(self) -> None:
        """Everything is undone: say so, and remove the file."""
        with contextlib.suppress(HarnessError):  # without the line, the missing file says it
            self._append({"type": "closed"})
        self.path.unlink(missing_ok=True)
        os.close(self._fd)

    def release(self) -> None:
        """Let go of the lock and leave the file for `recover`."""
        os.close(self._fd)

    def _append(self, line: Mapping[str, Any]) -> None:
        data = json.dumps(line, separators=(",", ":")).encode() + b"\n"
        with self._writing:
            try:
                self._make_room(len(data))
                if os.pwrite(self._fd, data, self._end) != len(data):
                    raise OSError(errno.ENOSPC, "only a part of the line was written")
                os.fdatasync(self._fd)
            except OSError as error:
                with contextlib.suppress(OSError):  # half a line must not be read as a whole one
                    os.pwrite(self._fd, bytes(len(data)), self._end)
                raise HarnessError(f"can't write the journal {self.path}: {error}") from error
            self._end += len(data)

    def _make_room(self, length: int) -> None:
        """Take more of the disk beforehand, so that the lines after this one find their room."""
        if self._end + length + PREALLOCATED // 2 <= self._room:
            return
        try:
            os.posix_fallocate(self._fd, self._room, PREALLOCATED)
        except OSError:
            if self._end + length > self._room:
                raise
        else:
            self._room += PREALLOCATED


def _locks(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _written(raw: bytes) -> bytes:
    """The whole lines before the first byte that was never written."""
    written = raw.split(b"\0", 1)[0]
    return written[: written.rfind(b"\n") + 1]


def read_journal(path: Path) -> JournalView:
    """Read a journal without its lock; a torn last line is left out.

    Raises `BrokenRecord` where a whole line isn't what this version writes.
    """
    header: Json = {}
    entries: dict[int, Entry] = {}
    closed = False
    for number, raw in enumerate(_written(path.read_bytes()).splitlines(), start=1):
        try:
            line = json.loads(raw)
            kind = line.pop("type")
            if kind == "run":
                header = {**header, **line}
            elif kind == "closed":
                closed = True
            elif kind == Stage.INTENDED:
                entries[line["number"]] = Entry(**line)
            else:
                entries[line["number"]] = replace(entries[line["number"]], stage=Stage(kind))
        except (ValueError, KeyError, TypeError) as error:
            raise BrokenRecord(f"{path}:{number}: not a line of a journal: {error}") from error
    return JournalView(header, entries, closed)
