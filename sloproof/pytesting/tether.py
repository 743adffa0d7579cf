"""Ties a command to its parent: when the parent dies, the command gets SIGTERM.

Run as a program, `tether.py PARENT COMMAND…`; it becomes the command. (Done here rather than in a
`preexec_fn`, which is not safe beside threads.)
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # from <sys/prctl.h>


def main(arguments: list[str]) -> None:
    """Tie this process to the parent named first and become the command that follows."""
    parent, *command = arguments
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != int(parent):  # it died before the tie held
        sys.exit(4)
    try:
        os.execvp(command[0], command)  # noqa: S606 - becoming the command is the purpose
    except OSError as error:
        sys.exit(f"{command[0]}: {error.strerror} (see sloproof_command in pytest's ini file)")


if __name__ == "__main__":
    main(sys.argv[1:])
