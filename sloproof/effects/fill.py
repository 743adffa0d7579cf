"""The room on a volume taken by a file of our own."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar

from sloproof.contracts.effect import Effect, Json, Undone
from sloproof.contracts.probe import Witness
from sloproof.effects.place import Place, PlaceGone
from sloproof.effects.room import free_of, held_by, size_of
from sloproof.effects.witness import witness_from_json
from sloproof.errors import EffectError
from sloproof.model.units import Duration

GRAIN = 4096
"""Nearer than so many bytes to what is asked for is there."""
OFF = 1 << 20
"""So many bytes more may be left than was asked for."""
ROUNDS = 24
"""How often it is looked again, for others write meanwhile."""
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


@dataclass(frozen=True, kw_only=True)
class Fill(Effect):
    """Leaves `free` bytes on the volume, by a file that carries the owner's name.

    `device` is that of the file system which it was planned for, so that nothing else is ever
    filled. With a `budget` the bytes in the folder are filled up to that, and the file system below
    keeps `margin(…)` free.
    """

    kind: ClassVar[str] = "fill"
    volatile: ClassVar[bool] = False
    deadline: ClassVar[Duration] = Duration(10_000_000_000)

    volume: str
    path: str
    namespace: str = ""
    device: int
    free: int
    budget: int = 0
    holder: str = ""
    seen_by: Json = field(default_factory=dict)

    @property
    def _place(self) -> Place:
        return Place(self.path, self.namespace)

    @property
    def _name(self) -> str:
        return f".{self.owner}.fill"

    def capture(self) -> Json:
        """What kind of file system it is; raises where no more than that is free anyway."""
        with self._folder() as folder:
            left = self._left(folder)
        if left <= self.free:
            raise EffectError(f"{self.volume} has only {left} B left: there is nothing to fill")
        mount = self._place.mount()
        return {"file_system": mount.kind if mount else ""}

    def apply(self, prior: Json) -> None:
        """Take the room; raises where more than 1 MiB too much is left in the end."""
        with self._folder() as folder:
            file = os.open(self._name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600, dir_fd=folder)
            try:
                self._level(folder, file)
            except OSError as error:
                raise EffectError(f"{self}: {error.strerror}") from error
            finally:
                os.close(file)
            over = self._left(folder) - self.free
        if over > OFF:
            raise EffectError(f"{self}: {over} B more are left than was asked for")

    def keep(self, prior: Json) -> None:
        """Give back what the system used of the room that was left, take what it freed."""
        self.apply(prior)

    def undo(self, prior: Json) -> Undone:
        """Remove our own file, whatever is mounted there now."""
        try:
            with _closing(self._place.open()) as folder:
                os.unlink(self._name, dir_fd=folder)
        except PlaceGone:
            return Undone.ABSENT
        except FileNotFoundError as error:
            if prior["file_system"] in ("", "tmpfs") or self._place.mount() is not None:
                return Undone.ABSENT
            raise EffectError(f"{self.path} is not mounted, so its file stays on it") from error
        except OSError as error:
            raise EffectError(f"{self}: can't remove {self._name}: {error.strerror}") from error
        return Undone.REVERTED

    def present(self, prior: Json) -> bool:
        """Whether our file is there."""
        try:
            with _closing(self._place.open()) as folder:
                os.stat(self._name, dir_fd=folder)
        except (PlaceGone, OSError):
            return False
        return True

    def _folder(self) -> contextlib.AbstractContextManager[int]:
        return _closing(self._place.opened(self.device))

    def _left(self, folder: int) -> int:
        return self.budget - held_by(self._place.reached) if self.budget else free_of(folder)

    def _level(self, folder: int, file: int) -> None:
        for _ in range(ROUNDS):
            over = self._left(folder) - self.free
            if abs(over) < GRAIN:
                return
            size = os.fstat(file).st_size
            if over < 0:
                os.ftruncate(file, max(0, size + over))
                if size + over <= 0:
                    return  # the system itself has used more than we were to take
            else:
                self._spare(folder, over)
                _grow(file, size, over)

    def _spare(self, folder: int, more: int) -> None:
        """Raise where the file system below a folder with a budget would not keep its margin."""
        if self.budget and free_of(folder) - more < margin(size_of(folder)):
            raise EffectError(f"{self}: the file system below would have too little left")

    def witness(self) -> Witness | None:
        """The room that is left, asked by the prober."""
        return witness_from_json(self.seen_by)

    def concerns(self) -> str:
        """The copy whose volume it is, or the volume."""
        return self.holder or self.volume

    def touches(self) -> str:
        """The volume."""
        return f"volume {self.volume}"

    def remedy(self) -> str:
        """Our file, to be removed."""
        place = self._place
        return f"rm {place.reached if place.there() else place.path}/{self._name}"

    def __str__(self) -> str:
        return f"fill {self.volume} until {self.free / OFF:.6g} MiB are left"


def margin(size: int) -> int:
    """Bytes that a file system of this size keeps where others live on it, too."""
    return max(2 << 30, size // 10)


def _grow(file: int, size: int, more: int) -> None:
    """Add `more` bytes, or as many as there are: others may have been faster."""
    while more >= GRAIN:
        try:
            os.posix_fallocate(file, size, more)
        except OSError as error:
            if error.errno not in _FULL:
                raise
            more //= 2
        else:
            return


@contextlib.contextmanager
def _closing(descriptor: int) -> Iterator[int]:
    try:
        yield descriptor
    finally:
        os.close(descriptor)
