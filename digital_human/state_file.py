"""The file that tells others where a running system is, and the lock that keeps it to one."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from digital_human.processes import Incarnation, incarnation


class AlreadyRunning(Exception):
    """Another supervisor owns the state file."""


class UnfitFolder(Exception):
    """A place that must be ours is someone else's."""


class StateFile:
    """A state file and what belongs to it: a lock beside it and a folder for logs and sockets."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.folder = self.path.with_name(self.path.name + ".d")
        self._lock_path = self.path.with_name(self.path.name + ".lock")
        self._lock: int | None = None

    @classmethod
    def default(cls, env: Mapping[str, str]) -> StateFile:
        """Where the state is unless told otherwise."""
        return cls(Path(env.get("DIGITAL_HUMAN_STATE") or ".digital-human/state.json"))

    def acquire(self) -> None:
        """Become the owner for as long as this process lives.

        Raises `AlreadyRunning`, `UnfitFolder` or `OSError`.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        lock = self._locked()
        me = incarnation(os.getpid())
        if me is None:
            raise OSError("/proc is not there")
        os.ftruncate(lock, 0)
        os.pwrite(lock, json.dumps({"pid": me.pid, "start_time": me.start_time}).encode(), 0)
        self._lock = lock
        self.path.unlink(missing_ok=True)
        self.folder.mkdir(mode=0o700, exist_ok=True)
        if self.folder.stat().st_uid != os.geteuid():
            raise UnfitFolder(f"{self.folder} belongs to another user")
        self.folder.chmod(0o700)

    def write(self, content: Mapping[str, Any]) -> None:
        """Put the state file there, complete or not at all."""
        draft = self.path.with_name(f"{self.path.name}.{os.getpid()}.new")
        draft.unlink(missing_ok=True)
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "w") as file:
            json.dump(content, file, indent=2)
            file.write("\n")
        draft.replace(self.path)

    def read(self) -> dict[str, Any] | None:
        """The state, if there is one."""
        return _read(self.path)

    def owner(self) -> Incarnation | None:
        """The living supervisor, ready or still starting."""
        content = _read(self._lock_path)
        if content is None:
            return None
        try:
            found = Incarnation(content["pid"], content["start_time"])
        except KeyError:
            return None
        return found if found.alive else None

    def traces(self) -> bool:
        """Whether a system was ever started here and not stopped cleanly."""
        return self.path.exists() or self._lock_path.exists()

    def remove(self) -> None:
        """Take the state file and the lock away; only its owner may."""
        self.path.unlink(missing_ok=True)
        self._lock_path.unlink(missing_ok=True)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _locked(self) -> int:
        while True:
            handle = os.open(self._lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(handle)
                owner = self.owner()
                who = f"process {owner.pid}" if owner else "another process"
                raise AlreadyRunning(
                    f"a system with the state file {self.path} is running already ({who}); "
                    "stop it with `down`, or choose another --state"
                ) from None
            # The last owner may have removed the file between our opening and locking it.
            if _inode(self._lock_path) == os.fstat(handle).st_ino:
                return handle
            os.close(handle)


def _inode(path: Path) -> int | None:
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return None


def _read(path: Path) -> dict[str, Any] | None:
    try:
        content = json.loads(path.read_text())
    except (FileNotFoundError, ValueError):
        return None
    return content if isinstance(content, dict) else None
