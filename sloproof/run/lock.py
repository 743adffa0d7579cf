"""One run a target: a lock in the state folder, held by the engine and its guardian."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path

from sloproof.effects.incarnation import Incarnation, self_incarnation
from sloproof.errors import HarnessError, UsageError


class TargetBusy(HarnessError):
    """Another run holds the target; `dying` where its engine is dead and its guardian at work."""

    def __init__(self, target: str, holder: Holder) -> None:
        self.dying = holder.engine is not None and not holder.engine.alive()
        doing = (
            "its guardian still puts things back" if self.dying else "two runs never share a target"
        )
        super().__init__(
            f"{target} is under test by {holder.run}: {doing} "
            "(`sloproof status` shows it, `sloproof stop` ends it)"
        )


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a lock, as far as it says so."""

    run: str = "another run"
    engine: Incarnation | None = None

    @classmethod
    def read(cls, fd: int) -> Holder:
        """What the holder wrote into the lock's file."""
        try:
            said = json.loads(os.pread(fd, 1000, 0))
            return cls(str(said["run"]), Incarnation.parse(said["engine"]))
        except (ValueError, KeyError, TypeError):
            return cls()


class TargetLock:
    """Held until every process that has its descriptor has closed it or died.

    `place` is what makes two targets the same, whatever their files call them.
    """

    def __init__(self, state: Path, target: str, place: str, run: str) -> None:
        self.place = place
        folder = state / "locks"
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"{folder}: can't be made: {error.strerror}") from error
        name = hashlib.sha256(place.encode()).hexdigest()[:16]
        self.fd = os.open(folder / f"{name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = Holder.read(self.fd)
            os.close(self.fd)
            raise TargetBusy(f"{target} at {place}", holder) from None
        os.ftruncate(self.fd, 0)
        said = {"run": run, "engine": str(self_incarnation())}
        os.pwrite(self.fd, json.dumps(said).encode(), 0)

    def close(self) -> None:
        """Let go of it."""
        os.close(self.fd)
