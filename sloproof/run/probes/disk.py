"""`disk`: how much room is left in a folder, or whether a small write lasts.

`value` is how many bytes an ordinary process can still write there: on the file system, or of
`budget` less the bytes of all files in the folder. With `write` a file without a name gets 4 KiB,
which are synced and read back; `value` is how long that took, in seconds. Details of what isn't
good: `full` (no room), `failing` (an input/output error), `read-only`, `gone` (no such folder),
`denied`, or `error` for what is none of these.
"""

from __future__ import annotations

import asyncio
import errno
import os
import stat
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from threading import Thread
from time import monotonic_ns
from typing import ClassVar

from sloproof.contracts import Probe, Sample, Size

BLOCK = b"sloproof" * 512
_WORDS = {
    errno.ENOSPC: "full",
    errno.EDQUOT: "full",
    errno.EIO: "failing",
    errno.EROFS: "read-only",
    errno.ENOENT: "gone",
    errno.ENOTDIR: "gone",
    errno.ENOTCONN: "gone",
    errno.EACCES: "denied",
    errno.EPERM: "denied",
}


@dataclass(frozen=True, kw_only=True)
class Disk(Probe):
    """Looks at the folder `path`; a disk that hangs holds up a thread, and no other probe."""

    kind: ClassVar[str] = "disk"

    path: str
    budget: Size | None = None
    write: bool = False

    async def sample(self) -> Sample:
        """Look once."""
        try:
            value = await _aside(self._written if self.write else self._free)
        except OSError as error:
            return Sample(ok=False, detail=_WORDS.get(error.errno or 0, "error"))
        return Sample(ok=True, value=value)

    def _free(self) -> float:
        if self.budget is not None:
            return float(self.budget.bytes - _held(self.path))
        found = os.statvfs(self.path)
        return float(found.f_bavail * found.f_frsize)

    def _written(self) -> float:
        began = monotonic_ns()
        # Without a name, so that it is gone with this process whatever happens to that.
        file = os.open(self.path, os.O_TMPFILE | os.O_RDWR, 0o600)
        try:
            os.write(file, BLOCK)
            os.fsync(file)
            os.pread(file, len(BLOCK), 0)
        finally:
            os.close(file)
        return (monotonic_ns() - began) / 1e9


async def _aside(look: Callable[[], float]) -> float:
    """What `look` gives, from a thread of its own that keeps nothing from ending if it hangs."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[float] = loop.create_future()

    def told(value: float | None, error: OSError | None) -> None:
        if answer.done():  # nobody waits any more
            return
        if error is not None:
            answer.set_exception(error)
        elif value is not None:
            answer.set_result(value)

    def work() -> None:
        value, failed = None, None
        try:
            value = look()
        except OSError as error:
            failed = error
        with suppress(RuntimeError):  # the loop may have ended meanwhile
            loop.call_soon_threadsafe(told, value, failed)

    Thread(target=work, daemon=True).start()
    return await answer


def _held(path: str) -> int:
    """Bytes of all files in a folder and below, each counted once."""
    os.listdir(path)  # noqa: PTH208 - raises where there is no such folder; a walk would not
    sizes: dict[tuple[int, int], int] = {}
    for folder, _, names in os.walk(path):
        for name in names:
            with suppress(OSError):  # it vanished meanwhile
                found = os.lstat(f"{folder}/{name}")
                sizes[found.st_dev, found.st_ino] = found.st_size * stat.S_ISREG(found.st_mode)
    return sum(sizes.values())
