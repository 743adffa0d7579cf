"""Loop devices: files that serve as disks, set up so that they go with whoever holds them."""

from __future__ import annotations

import errno
import fcntl
import os
import struct
from dataclasses import dataclass
from pathlib import Path

from sloproof.errors import EffectError

# From <linux/loop.h>
LOOP_CTL_GET_FREE = 0x4C82
LOOP_CONFIGURE = 0x4C0A
LO_FLAGS_AUTOCLEAR = 4
_INFO = struct.Struct("=QQQQQIIII64s64s32s2Q")
_CONFIG = struct.Struct(f"=II{_INFO.size}s64x")
_TRIES = 8


@dataclass(frozen=True, slots=True)
class Backing:
    """The file behind a loop device, as the processes see it that set the device up."""

    path: str

    @classmethod
    def of(cls, source: str) -> Backing | None:
        """Of a device by its path; None where it is no loop device over a whole file."""
        folder = Path("/sys/block", Path(source).name, "loop")
        try:
            if any(_read(folder / name) != "0" for name in ("offset", "sizelimit")):
                return None
            return cls(_read(folder / "backing_file"))
        except OSError:
            return None


def attached(file: str) -> tuple[str, int]:
    """A new loop device over `file`, and the descriptor that holds it until something is mounted.

    It goes by itself when the descriptor is closed and nothing is mounted. Raises `EffectError`.
    """
    try:
        with (
            Path(file).open("r+b") as backing,
            Path("/dev/loop-control").open("rb", buffering=0) as control,
        ):
            for _ in range(_TRIES):
                device = f"/dev/loop{fcntl.ioctl(control, LOOP_CTL_GET_FREE)}"
                held = os.open(device, os.O_RDWR | os.O_CLOEXEC)
                if _configured(held, backing.fileno()):
                    return device, held
                os.close(held)  # somebody else was faster
    except OSError as error:
        raise EffectError(f"no loop device for {file}: {error}") from error
    raise EffectError(f"no loop device for {file}: others take every free one")


def _configured(device: int, backing: int) -> bool:
    info = _INFO.pack(*[0] * 8, LO_FLAGS_AUTOCLEAR, b"", b"", b"", 0, 0)
    try:
        fcntl.ioctl(device, LOOP_CONFIGURE, _CONFIG.pack(backing, 0, info))
    except OSError as error:
        if error.errno == errno.EBUSY:
            return False
        raise
    return True


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="surrogateescape").rstrip("\n")
