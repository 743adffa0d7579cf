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

from sloproof.contracts.effect import Effect, Json, Owner, Undone
from sloproof.effects.incarnation import Incarnation, self_incarnation
from sloproof.effects.running import run
from sloproof.effects.tagged import end, tagged, tagged_in_session
from sloproof.errors import EffectError
from sloproof.model.state_folder import sync
from sloproof.model.units import Duration

UNTIL = "{until}"
"""What stands in a command for the moment that is restored to."""
ROOM = 512
"""Bytes of a note, taken at once: a full disk must not keep it from being written to."""
UNKNOWN: Json = {"until": ""}
"""What a note says that can't be read: a restore may have begun."""
DEATH_WITHIN = 2.0


@dataclass(frozen=True, slots=True)
class Note:
    """The file in which stands how far a restore is. It is there until all of it is dropped."""

    path: Path

    def make(self, owner: Owner | None) -> None:
        """Write that a restore may come, whole or not at all. Raises `OSError`."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        making = self.path.with_name(f"{self.path.name}.making")
        try:
            with making.open("wb") as file:
                file.write(_text({"owner": str(owner)}))
                file.flush()
                os.fsync(file.fileno())
            making.replace(self.path)
            sync(self.path.parent)
        finally:
            making.unlink(missing_ok=True)

    def begin(self, until: str) -> str | None:
        """Write that a restore to this moment begins, by this process.

        Gives the tag that all who restore or drop have to carry; None where none may begin, or
        that can't be written.
        """
        with suppress(OSError), self._held() as file:
            said = _said(file)
            if os.fstat(file).st_nlink and "until" not in said:
                by = str(self_incarnation())
                os.pwrite(file, _text({**said, "until": until, "by": by}), 0)
                os.fdatasync(file)
                return str(said["owner"])
        return None

    def dropped(self) -> None:
        """Write that what was restored is gone; where that can't be, it is dropped once more."""
        with suppress(OSError), self._held() as file:
            if owner := _said(file).get("owner"):
                os.pwrite(file, _text({"owner": owner}), 0)

    def end(self) -> Json:
        """Let no restore begin any more; gives what stands there. Raises `FileNotFoundError`.

        Where none had begun, the note is gone.
        """
        with self._held() as file:
            said = _said(file)
            if "until" not in said:
                self.path.unlink(missing_ok=True)
            return said

    def read(self) -> Json:
        """What stands there."""
        with suppress(OSError), self._held() as file:
            return _said(file)
        return UNKNOWN

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

    A restore that is under way is ended first: the process that began it, and every process of its
    commands' sessions. What has left these was meant to stay, such as a server that the restore
    started; it is ended where `drop` has left it.
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
                self._note.make(self.owner)
        except OSError as error:
            raise EffectError(f"{self}: {error.strerror}") from error

    def undo(self, prior: Json) -> Undone:
        """Drop what is or may be restored; the note goes last."""
        try:
            said = self._note.end()
        except FileNotFoundError:
            return Undone.ABSENT
        if "until" in said:
            end(lambda: self._restoring(said), within=DEATH_WITHIN)
            self._drop(said)
        end(lambda: tagged(self.owner), within=DEATH_WITHIN)
        self._note.path.unlink(missing_ok=True)
        return Undone.REVERTED

    def _restoring(self, said: Json) -> Iterator[Incarnation]:
        if "by" in said and (life := Incarnation.parse(said["by"])).alive():
            yield life
        yield from tagged_in_session(self.owner)

    def _drop(self, said: Json) -> None:
        if not said["until"] and any(UNTIL in word for word in self.drop):
            raise EffectError(f"{self}: its note can't be read, so its moment is not known")
        argv = self._filled(said)
        ended = run(argv, timeout=self.within_s, folder=self.folder)
        if ended.status:
            complaint = f": {ended.complaint}" if ended.complaint else ""
            raise EffectError(f"{' '.join(argv)}: exit status {ended.status}{complaint}")

    def _filled(self, said: Json) -> list[str]:
        return [word.replace(UNTIL, said.get("until") or UNTIL) for word in self.drop]

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
        """The target's own command, and where it runs."""
        return f"run in {self.folder}: {' '.join(self._filled(self._note.read()))}"

    def __str__(self) -> str:
        return "a restored copy"


def _text(said: Json) -> bytes:
    return json.dumps(said).encode().ljust(ROOM)


def _said(file: int) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(os.pread(file, ROOM, 0))
    except ValueError:
        return UNKNOWN
    return found
