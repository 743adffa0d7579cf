"""`python -m sloproof.run.load FOLDER`: the load process. Locust comes first: it patches all."""

from __future__ import annotations

import argparse
import ctypes
import os
import signal
import sys
from pathlib import Path

import locust  # noqa: F401 - must be imported before anything that opens a socket

PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """Have the kernel kill this process when its parent dies; for what must not outlive it."""
    parent = os.getppid()
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit("the parent died before this process had begun")


def main() -> int:
    """Run the load process that the arguments ask for."""
    parser = argparse.ArgumentParser(prog="python -m sloproof.run.load", description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", help="the run's load folder")
    parser.add_argument("--worker", action="store_true", help="work for a master")
    parser.add_argument("--master-host", default="127.0.0.1")
    parser.add_argument("--master-port", type=int, default=5557)
    options = parser.parse_args()
    if options.worker:
        from sloproof.run.load.worker import work

        if options.folder is not None:
            die_with_parent()
        return work(options.master_host, options.master_port, options.folder)
    if options.folder is None:
        parser.error("which folder?")
    die_with_parent()
    from sloproof.run.load.child import run

    folder: Path = options.folder
    return run(folder)


if __name__ == "__main__":
    sys.exit(main())
