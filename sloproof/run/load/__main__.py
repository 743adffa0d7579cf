"""`python -m sloproof.run.load FOLDER`: the load process. Not for people, but for `--worker`."""

from __future__ import annotations

import argparse
import ctypes
import os
import signal
import sys
from pathlib import Path

PR_SET_PDEATHSIG = 1


def die_with_parent(parent: int | None = None) -> None:
    """Have the kernel kill this process when its parent dies; for what must not outlive it.

    `parent` is who started it, for it may have died already.
    """
    expected = os.getppid() if parent is None else parent
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != expected:
        sys.exit("the parent died before this process had begun")


def main() -> int:
    """Run the load process that the arguments ask for."""
    parser = argparse.ArgumentParser(prog="python -m sloproof.run.load", description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", help="the run's load folder")
    parser.add_argument("--worker", action="store_true", help="work for a master, anywhere")
    parser.add_argument("--master-host", default="127.0.0.1")
    parser.add_argument("--master-port", type=int, default=5557)
    parser.add_argument(
        "--try", action="store_true", dest="tried", help="only import what standard input lists"
    )
    parser.add_argument("--parent", type=int, help="the process that this one dies with")
    options = parser.parse_args()
    folder: Path | None = options.folder
    if folder is not None or options.tried:
        die_with_parent(options.parent)
    import locust  # noqa: F401 - it patches all, so it comes before what opens sockets

    if options.tried:
        from sloproof.run.load.trial import try_profiles

        return try_profiles()
    if options.worker:
        from sloproof.run.load.worker import work

        return work(options.master_host, options.master_port, folder)
    if folder is None:
        parser.error("which folder?")
    from sloproof.run.load.child import run

    return run(folder)


if __name__ == "__main__":
    sys.exit(main())
