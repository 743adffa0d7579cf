"""A mount namespace of this process's own: what is mounted in it goes with the last one inside."""

from __future__ import annotations

import ctypes
import os

from sloproof.errors import PlatformError

# From <sched.h> and <sys/mount.h>
CLONE_NEWNS = 0x00020000
MS_REC = 0x4000
MS_PRIVATE = 1 << 18


def enter_own() -> None:
    """Leave the namespace of the caller; nothing that is mounted from now on shows there.

    Raises `PlatformError` where this process may not.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS) or libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None):
        why = os.strerror(ctypes.get_errno())
        raise PlatformError(f"no mount namespace of its own: {why}; volumes need root")
