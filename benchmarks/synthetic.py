"""A record of very many requests, as a long run would have left it; written in its own process.

`python -m benchmarks.synthetic FOLDER COUNT`
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.machine import ROOT
from benchmarks.projects import AVAILABILITY, LATENCY, loaded
from sloproof.record.schema import NEVER, RequestKind
from sloproof.record.writer import RecordWriter
from sloproof.spec import resolved_text

SECOND = 1_000_000_000
WARMUP, FAULT, HEALED, END = 10 * SECOND, 200 * SECOND, 260 * SECOND, 600 * SECOND
EVERY = SECOND // 10
VERIFY = """\
  faults:
    - {name: slow, inject: command, at: 190s, for: 60s, with: {apply: [slow], undo: [fast]}}
  verify:
    - slo: availability
    - {slo: availability, during: {fault: slow}, tolerance: {target: 95%}}
    - slo: latency
    - {slo: latency, during: recovery}
"""


def written(folder: Path, count: int) -> Path:
    """Write it in a process of its own, so that its memory is not ours."""
    argv = [sys.executable, "-m", "benchmarks.synthetic", str(folder), str(count)]
    subprocess.run(argv, cwd=ROOT, check=True)
    return folder / "record"


def write(folder: Path, count: int) -> None:
    """Requests of ten minutes in two kinds, a fault in the middle, two probes, a witness."""
    target = "  platform: external\n  entry: {url: 'http://127.0.0.1:8080'}\n"
    objectives = f"{AVAILABILITY.format(target=0.99)}---\n{LATENCY}"
    asked = loaded(folder / "project", VERIFY, objectives, target=target)
    writer = RecordWriter(folder / "record")
    _write_events(writer, count)
    writer.text("experiment.yaml", resolved_text(asked))
    writer.json("environment.json", {})
    kinds = [RequestKind("p", "/turns", "POST", "/turns"), RequestKind("p", "/", "GET", "/")]
    writer.requests(requests(count), kinds, ["", "HTTP 503", "timed out"])
    writer.table("probes", _probes())
    writer.seal()


def requests(count: int) -> Iterator[dict[str, NDArray[Any]]]:
    """Evenly spaced; log-normal latencies, slower and partly failing while the fault is on."""
    random = np.random.default_rng(1)
    for first in range(0, count, 1 << 20):
        number = np.arange(first, min(first + (1 << 20), count))
        due = (number * (END / count)).astype(np.int64)
        took = random.lognormal(np.log(0.045), 0.35, len(number))
        slow = (due >= FAULT) & (due < HEALED)
        took[slow] *= 4
        lost = slow & (random.random(len(number)) < 0.02)
        outcome = np.zeros(len(number), dtype=np.uint8)
        outcome[lost] = np.where(random.random(int(lost.sum())) < 0.7, 1, 2)
        finished = due + (took * SECOND).astype(np.int64)
        finished[outcome == 2] = NEVER
        yield {
            "intended": due,
            "sent": due + random.integers(100_000, 900_000, len(number)),
            "finished": finished,
            "arrival": number.astype(np.uint32),
            "kind": (number % 7 == 0).astype(np.uint16),
            "outcome": outcome,
            "late": np.zeros(len(number), dtype=np.uint8),
            "status": np.array([200, 503, 0], dtype=np.int16)[outcome],
            "error": outcome.astype(np.uint16),
            "size": random.integers(200, 900, len(number)).astype(np.uint32),
        }


def _write_events(writer: RecordWriter, count: int) -> None:
    event = writer.event
    event(0, "run.started", run="bench", experiment="bench", wall_ns=0, monotonic_ns=0)
    event(0, "load.started", at=0)
    event(0, "phase", phase="warmup")
    event(WARMUP, "phase", phase="baseline")
    event(FAULT, "phase", phase="faults")
    fault = {"fault": "slow", "occurrence": 1}
    witness = {"sense": "observed", "probes": ["witness"], "kept": []}
    event(FAULT, "fault.injecting", inject="command", effects=[1], **fault)
    event(
        FAULT, "effect.planned", number=1, effect="slow", lasting=False, neighbours=[],
        target={"link": {"name": "in", "source": "client", "target": "system", "entry": True}},
        witness={**witness, "expected": None, "unit": "", "tolerance": None}, **fault,
    )  # fmt: skip
    event(FAULT, "effect.applying", number=1)
    event(FAULT, "effect.applied", number=1)
    event(HEALED, "effect.undoing", number=1, by="engine")
    event(HEALED, "effect.undone", number=1, outcome="reverted", by="engine")
    event(HEALED, "fault.ended", **fault)
    event(HEALED, "phase", phase="recovery")
    event(END, "phase", phase="restore")
    event(END, "load.finished", planned=count, bound_ns=20_000_000, exit=0)
    event(END, "run.finished", how="completed", reason="")


def _probes() -> dict[str, list[Any]]:
    due = np.arange(0, END, EVERY)
    down = (due >= FAULT) & (due < HEALED)
    good = {"door": np.ones(len(due), dtype=bool), "speech": ~down, "witness": ~down}
    times = {"intended": due, "sent": due + 100_000, "finished": due + 3_000_000}
    return {
        "probe": [name for name in good for _ in due],
        **{name: np.tile(column, len(good)).tolist() for name, column in times.items()},
        "ok": np.concatenate(list(good.values())).tolist(),
        "value": [float("nan")] * (len(due) * len(good)),
        "detail": [""] * (len(due) * len(good)),
    }


if __name__ == "__main__":
    write(Path(sys.argv[1]), int(sys.argv[2]))
