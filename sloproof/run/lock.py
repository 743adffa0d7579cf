"""One run a target: a lock in the state folder, held by the engine and its guardian."""

from __future__ import annotations

import fcntl
import hashlib
import os
from pathlib import Path

from sloproof.errors import HarnessError


class TargetBusy(HarnessError):
    """Another run holds the target."""


class TargetLock:
    """Held until every process that has its descriptor has closed it or died."""

    def __init__(self, state: Path, target: str, run: str) -> None:
        folder = state / "locks"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        name = hashlib.sha256(target.encode()).hexdigest()[:16]
        self.fd = os.open(folder / f"{name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(self.fd, 200, 0).decode("utf-8", "replace") or "another run"
            os.close(self.fd)
            raise TargetBusy(
                f"{target} is under test by {holder}; two runs never share a target "
                "(`sloproof status` shows it, `sloproof stop` ends it)"
            ) from None
        os.ftruncate(self.fd, 0)
        os.pwrite(self.fd, run.encode(), 0)

    def close(self) -> None:
        """Let go of it."""
        os.close(self.fd)
