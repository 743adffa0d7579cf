"""Two armed web servers, each in a control group of its own: what the faults of a whole run strike.

`python -m tests.resources.site STATE` runs them until a signal; where they are stands in STATE.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from digital_human import cgroups
from digital_human.processes import die_with_parent

LIMITS = cgroups.Limits(cpu=1.0, memory=128 << 20)
COPIES = ("web-1", "web-2")


def main() -> None:
    state = Path(sys.argv[1])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    children: list[subprocess.Popen[str]] = []
    try:
        children = [serve(name, state.parent) for name in COPIES]
        told = {
            name.replace("-", "_"): int(child.stdout.readline())
            for name, child in zip(COPIES, children, strict=True)
            if child.stdout
        }
        state.with_suffix(".partial").write_text(json.dumps(told))
        state.with_suffix(".partial").rename(state)
        signal.pause()
    finally:
        state.unlink(missing_ok=True)
        for child in children:
            child.kill()
            child.wait()
        cgroups.remove(state.parent)


def serve(name: str, folder: Path) -> subprocess.Popen[str]:
    places, parent = cgroups.make(folder, name, LIMITS), os.getpid()

    def begin() -> None:
        die_with_parent(parent)
        cgroups.enter(places)

    return subprocess.Popen(
        [sys.executable, "-m", "tests.resources.site", "copy"],
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=begin,  # noqa: PLW1509 - one that hangs here dies with us
    )


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        pass


def copy() -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Quiet)
    sys.stdout.write(f"{server.server_port}\n")
    sys.stdout.flush()
    server.serve_forever()


if __name__ == "__main__":
    copy() if sys.argv[1] == "copy" else main()
