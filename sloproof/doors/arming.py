"""`arm`: start a program so that faults have something to act on: small volumes, a shim in it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NoReturn

from sloproof.arming.namespace import enter_own
from sloproof.arming.preload import preloaded
from sloproof.arming.slow_io import arm as arm_slow_io
from sloproof.arming.volumes import FileSystem, SmallVolume
from sloproof.doors.ending import Ending
from sloproof.errors import SloproofError, UsageError
from sloproof.model.units import Size

PRELOAD = "LD_PRELOAD"


@dataclass(frozen=True, slots=True, kw_only=True)
class Arms:
    """With what: volumes as `PATH=SIZE` each, and whether with the shim.

    `lenient` leaves out what this host can't do, and says so on standard error.
    """

    disks: Sequence[str] = ()
    slow_disks: Sequence[str] = ()
    tmpfs: Sequence[str] = ()
    shim: bool = True
    lenient: bool = False

    def tried(self, what: str, step: Callable[[], None]) -> bool:
        """Whether a step could be taken; raises its error where it had to be."""
        try:
            step()
        except SloproofError as error:
            if not self.lenient:
                raise
            sys.stderr.write(f"without {what}: {error}\n")
            return False
        return True


def arm(command: Sequence[str], arms: Arms) -> Ending:
    """Become `command`, armed; without one, say what its environment needs.

    Only what the command starts sees the volumes; they are gone with the last of these processes,
    however it ends.
    """
    slow, memory = _volumes(arms.slow_disks), _volumes(arms.tmpfs, FileSystem.TMPFS)
    volumes = [*_volumes(arms.disks), *slow, *memory]
    if volumes and not command:
        raise UsageError("volumes are there for what is started with them: name a command")
    if volumes and arms.tried("volumes", enter_own):
        for volume in volumes:
            arms.tried(f"the volume {volume.path}", volume.mount)
        for volume in slow:
            arms.tried(f"slow I/O on {volume.path}", partial(arm_slow_io, volume.path))
    if arms.shim:
        arms.tried("the shim", _preload)
    if command:
        _become(command)
    value = os.environ.get(PRELOAD, "")
    return Ending(body={PRELOAD: value}, words=f"{PRELOAD}={value}")


def _preload() -> None:
    os.environ[PRELOAD] = preloaded(os.environ)


def _volumes(given: Sequence[str], kind: FileSystem = FileSystem.EXT4) -> list[SmallVolume]:
    return [_volume(text, kind) for text in given]


def _volume(text: str, kind: FileSystem) -> SmallVolume:
    path, _, size = text.rpartition("=")
    if not path:
        raise UsageError(f'"{text}" is no PATH=SIZE, such as run/data=64MiB')
    try:
        return SmallVolume(Path(path).absolute(), Size.parse(size), kind)
    except ValueError as error:
        raise UsageError(f"{text}: {error}") from error


def _become(command: Sequence[str]) -> NoReturn:
    """Keeps the process, so that what ends with its parent still does."""
    try:
        os.execvp(command[0], list(command))  # noqa: S606 - its purpose
    except OSError as error:
        raise UsageError(f"can't start {command[0]}: {error.strerror}") from error
