"""Small volumes: an ext4 on a loop device whose image is in memory, or a tmpfs."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from sloproof.effects.loop_device import attached
from sloproof.errors import PlatformError
from sloproof.model.units import Size

BESIDE = 1 << 20
"""Bytes that the memory around an image has for itself."""
WITHIN = 30.0


class FileSystem(StrEnum):
    """What can be mounted."""

    EXT4 = "ext4"
    TMPFS = "tmpfs"


@dataclass(frozen=True, slots=True)
class SmallVolume:
    """A file system of its own size, to be mounted at a path."""

    path: Path
    size: Size
    kind: FileSystem

    def mount(self) -> None:
        """Mount it in this process's namespace; raises `PlatformError` where that fails.

        The image of an ext4 lies in the folder `PATH.device`, which is a mount, too: a volume that
        failed is mounted from it anew.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        if self.kind is FileSystem.TMPFS:
            _tmpfs(self.path, self.size.bytes)
            return
        around = self.path.with_name(f"{self.path.name}.device")
        around.mkdir(exist_ok=True)
        _tmpfs(around, self.size.bytes + BESIDE)
        image = around / "image"
        with image.open("wb") as file:
            file.truncate(self.size.bytes)  # takes memory only for what is written
        # Nothing is kept for root, nor written later: what is free is free for everybody.
        _run("mkfs.ext4", "-q", "-m", "0", "-E", "lazy_itable_init=0,nodiscard", str(image))
        device, held = attached(str(image))
        try:
            _run("mount", "-t", "ext4", device, str(self.path))
        finally:
            os.close(held)


def _tmpfs(path: Path, size: int) -> None:
    _run("mount", "-t", "tmpfs", "-o", f"size={size},mode=755", "sloproof", str(path))


def _run(*argv: str) -> None:
    try:
        subprocess.run(argv, check=True, capture_output=True, timeout=WITHIN)
    except FileNotFoundError as error:
        raise PlatformError(f"{argv[0]} is missing: install e2fsprogs and util-linux") from error
    except subprocess.CalledProcessError as error:
        raise PlatformError(f"{' '.join(argv)}: {error.stderr.decode().strip()}") from error
