"""Ties a command to its parent: when the parent dies, the command gets a signal.

Run as a program, `tether.py PARENT SIGNAL HINT COMMAND…`; it becomes the command. (Done here rather
than in a `preexec_fn`, which is not safe beside threads.)
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
from pathlib import Path

PR_SET_PDEATHSIG = 1  # from <sys/prctl.h>
ORPHAN = 4
NOT_STARTED = 127
SESSION = "SLOPROOF_SESSION"
"""The variable that tells a command's own children from what has left its session."""
_SCORE = Path("/proc/self/oom_score_adj")


def tied(number: int, hint: str = "") -> list[str]:
    """The words before a command that have it get the signal `number` when this process dies.

    What ends with `hint` is said, by exit status `NOT_STARTED`, where it can't be started.
    """
    return [sys.executable, "-I", "-S", __file__, str(os.getpid()), str(int(number)), hint]


def main(arguments: list[str]) -> None:
    """Tie this process to the parent named first and become the command that follows."""
    parent, number, hint, *command = arguments
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, int(number))
    if os.getppid() != int(parent):  # it died before the tie held
        sys.exit(ORPHAN)
    with contextlib.suppress(OSError):  # the guardian's own protection isn't its commands'
        if _SCORE.read_text(encoding="ascii").strip() == "-1000":
            _SCORE.write_text("0", encoding="ascii")
    for ignored in (signal.SIGPIPE, signal.SIGXFSZ):  # by Python, which this is until here
        signal.signal(ignored, signal.SIG_DFL)
    os.environ[SESSION] = str(os.getsid(0))
    try:
        os.execvp(command[0], command)  # noqa: S606 - becoming the command is the purpose
    except OSError as error:
        sys.stderr.write(f"{command[0]}: {error.strerror}{hint}")
        sys.exit(NOT_STARTED)


if __name__ == "__main__":
    main(sys.argv[1:])
