"""The copy of a store that a backup is restored into: dropped, whoever dies meanwhile."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from sloproof.contracts.effect import Effect, Json, Undone
from sloproof.effects.incarnation import Incarnation, self_incarnation
from sloproof.effects.running import run
from sloproof.effects.tagged import end
from sloproof.errors import EffectError
from sloproof.model.units import Duration

UNTIL = "{until}"
"""What stands in a command for the moment that is restored to."""
ROOM = 256
"""Bytes of a note, taken at once: a full disk must not keep it from being written to."""
PLANNED: Json = {}
OVER: Json = {"over": True}
DEATH_WITHIN = 2.0


@dataclass(frozen=True, slots=True)
class Note:
    """The file in which stands how far a restore is. It is there until all of it is dropped."""

    path: Path

    def make(self) -> None:
        """Write that a restore may come."""
        self.path.write_bytes(_text(PLANNED))

    def begin(self, until: str) -> bool:
        """Write that a restore to this moment begins, by this process; False where none may."""
        try:
            with self._held() as file:
                if _said(file) != PLANNED:
                    return False
                os.pwrite(file, _text({"until": until, "by": str(self_incarnation())}), 0)
        except FileNotFoundError:
            return False
        return True

    def dropped(self) -> None:
        """Write that what was restored is gone."""
        with suppress(FileNotFoundError), self._held() as file:
            os.pwrite(file, _text(PLANNED), 0)

    def end(self) -> Json:
        """Let no restore begin any more; gives what stands there. Raises `FileNotFoundError`."""
        with self._held() as file:
            said = _said(file)
            if said == PLANNED:
                os.pwrite(file, _text(OVER), 0)
            return said

    @contextmanager
    def _held(self) -> Iterator[int]:
        file = os.open(self.path, os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield file
        finally:
            os.close(file)


@dataclass(frozen=True, kw_only=True)
class RestoredCopy(Effect):
    """Leave to restore a backup, by whoever works with the `note`; undone by the `drop` command.

    A restore that is under way is ended first, with the process that began it.
    """

    kind: ClassVar[str] = "restored_copy"
    volatile: ClassVar[bool] = False

    note: str
    drop: tuple[str, ...]
    folder: str
    within_s: float

    def capture(self) -> Json:
        """Nothing is there before."""
        return {}

    def apply(self, prior: Json) -> None:
        """Make the note, without which nobody restores anything."""
        try:
            if not self.present(prior):
                self._note.make()
        except OSError as error:
            raise EffectError(f"{self}: {error.strerror}") from error

    def undo(self, prior: Json) -> Undone:
        """Drop what is or may be restored; the note goes last."""
        try:
            said = self._note.end()
        except FileNotFoundError:
            return Undone.ABSENT
        if "until" in said:
            life = Incarnation.parse(said["by"])  # what it runs is tied to it
            end(lambda: iter([life] if life.alive() else []), within=DEATH_WITHIN)
            self._drop(said["until"])
        self._note.path.unlink(missing_ok=True)
        return Undone.REVERTED

    def _drop(self, until: str) -> None:
        argv = [word.replace(UNTIL, until) for word in self.drop]
        ended = run(argv, timeout=self.within_s, folder=self.folder)
        if ended.status:
            complaint = f": {ended.complaint}" if ended.complaint else ""
            raise EffectError(f"{' '.join(argv)}: exit status {ended.status}{complaint}")

    def present(self, prior: Json) -> bool:
        """Whether the note is there."""
        return self._note.path.exists()

    def patience(self) -> Duration:
        """As long as the target says that its command may take."""
        return self.deadline + Duration.of(self.within_s)

    @property
    def _note(self) -> Note:
        return Note(Path(self.note))

    def remedy(self) -> str:
        """The target's own command."""
        return " ".join(self.drop)

    def __str__(self) -> str:
        return "a restored copy"


def _text(said: Json) -> bytes:
    return json.dumps(said).encode().ljust(ROOM)


def _said(file: int) -> dict[str, Any]:
    """What stands there; what nobody wrote whole counts as planned."""
    try:
        found: dict[str, Any] = json.loads(os.pread(file, ROOM, 0))
    except ValueError:
        return PLANNED
    return found
