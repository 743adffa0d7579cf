"""One run a target: locks held by the engine and its guardian.

One in the state folder, by the target's place; and one for each thing that is touched, on this
host, wherever other runs have their state.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from pathlib import Path

from sloproof.errors import UsageError
from sloproof.model.target import Target
from sloproof.run.busy import Holder, TargetBusy
from sloproof.run.touching import Touching


class TargetLock:
    """Held until every process that has its descriptors has closed them or died.

    `place` is what makes two targets the same, whatever their files call them.
    """

    def __init__(self, state: Path, target: Target, place: str, run: str) -> None:
        self.place = place
        folder = state / "locks"
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"{folder}: can't be made: {error.strerror}") from error
        name = hashlib.sha256(place.encode()).hexdigest()[:16]
        self._fd = os.open(folder / f"{name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            self._lock(f"{target.name} at {place}", run)
            self._touching = Touching(run, state)
        except BaseException:
            os.close(self._fd)
            raise
        try:
            self.touch(target)
        except BaseException:
            self.close()
            raise

    def _lock(self, what: str, run: str) -> None:
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise TargetBusy(what, Holder.told(lambda: os.pread(self._fd, 1000, 0))) from None
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, Holder.written(run), 0)

    @property
    def fds(self) -> list[int]:
        """The descriptors by which it is held."""
        return [self._fd, self._touching.fd]

    def touch(self, target: Target) -> None:
        """Lock everything of the target that is known by now; raises `TargetBusy`."""
        self._touching.touch(target)

    def close(self) -> None:
        """Let go of it."""
        self._touching.close()
        os.close(self._fd)
