"""Stands in for `sloproof run FILE --json …`: answers what `FILE.answer.json` says.

Writes its arguments to `calls.jsonl` beside the file, and `SIGNAL` to `signals` when it gets one.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path
from types import FrameType


def main() -> int:
    file = Path(next(word for word in sys.argv if word.endswith(".yaml")))
    answer = json.loads(Path(f"{file}.answer.json").read_text())

    def reverted(number: int, frame: FrameType | None) -> None:
        time.sleep(answer["reverts_for"])
        with (file.parent / "signals").open("a") as signals:
            signals.write(f"{signal.Signals(number).name}\n")
        finish({**answer, "body": {**answer["body"], "how": "interrupted"}})

    def finish(final: dict[str, object]) -> None:
        sys.stdout.write(str(final["stdout"] or json.dumps(final["body"])))
        sys.stdout.flush()
        os._exit(int(str(final["status"])))

    signal.signal(signal.SIGINT, reverted)
    signal.signal(signal.SIGTERM, reverted)
    with (file.parent / "calls.jsonl").open("a") as calls:
        group = {"group": os.getpgrp() == os.getpid(), "began": time.monotonic()}
        calls.write(json.dumps({"argv": sys.argv[1:], "pid": os.getpid(), **group}) + "\n")
    sys.stderr.write(f"{file.stem}: baseline\n")
    sys.stderr.flush()
    time.sleep(answer["takes"])
    with (file.parent / "ends.jsonl").open("a") as ends:
        ends.write(json.dumps({"file": file.name, "ended": time.monotonic()}) + "\n")
    finish(answer)
    return 0


if __name__ == "__main__":
    main()
