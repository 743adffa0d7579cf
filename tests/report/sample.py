"""A record written by hand: a slow dependency under load, seen by probes and breakers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
from numpy.typing import NDArray

from sloproof.record.reader import Record
from sloproof.record.schema import NEVER, RequestKind
from sloproof.record.writer import RecordWriter

S = 1_000_000_000
WARMUP, BEGIN, END = 2 * S, 7 * S, 67 * S
"""The load starts at 2 s of the record, warm-up ends at 7 s, the run is watched until 67 s."""

Requests = dict[str, NDArray[Any]]


def requests(count: int, *, seed: int = 1, trouble: bool = True) -> Iterator[Requests]:
    """Evenly spaced requests from warm-up to the end; slow, then failing, while the fault is on."""
    random = np.random.default_rng(seed)
    for first in range(0, count, 1 << 20):
        n = np.arange(first, min(first + (1 << 20), count))
        due = WARMUP + (n * ((END - WARMUP) / count)).astype(np.int64)
        took = random.lognormal(np.log(0.045), 0.35, len(n))
        outcome = np.zeros(len(n), dtype=np.uint8)
        if trouble:
            slow = (due >= BEGIN + 10 * S) & (due < BEGIN + 22 * S)
            took[slow] += 0.8
            lost = slow & (due < BEGIN + 13 * S) & (random.random(len(n)) < 0.35)
            outcome[lost] = np.where(random.random(lost.sum()) < 0.7, 1, 2)
            took[(due >= BEGIN + 13 * S) & slow] *= 0.15
        finished = due + (took * 1e9).astype(np.int64)
        finished[outcome == 2] = NEVER
        yield {
            "intended": due,
            "sent": due + 200_000,
            "finished": finished,
            "arrival": n.astype(np.uint32),
            "kind": np.zeros(len(n), dtype=np.uint16),
            "outcome": outcome,
            "late": np.zeros(len(n), dtype=np.uint8),
            "status": np.where(outcome == 0, 200, 0).astype(np.int16),
            "error": outcome.astype(np.uint16),
            "size": np.full(len(n), 512, dtype=np.uint32),
        }


def write_events(writer: RecordWriter, name: str, fault: str) -> None:
    event = writer.event
    event(
        0,
        "run.started",
        run="20261103-101112-k3f9",
        experiment=name,
        wall_ns=1_793_700_672 * S,
        monotonic_ns=5,
        boot_id="b",
        seed=7,
        version="0.4.0",
    )
    for at, phase in (
        (0, "prepare"),
        (S, "ready"),
        (WARMUP, "warmup"),
        (BEGIN, "baseline"),
        (BEGIN + 10 * S, "faults"),
        (BEGIN + 22 * S, "recovery"),
        (END, "restore"),
    ):
        event(at, "phase", phase=phase)
    event(WARMUP, "load.started", at=WARMUP, workers=1)
    event(
        BEGIN + 10 * S,
        "fault.injecting",
        fault=fault,
        occurrence=1,
        inject="latency",
        fields={"delay": "800ms", "jitter": "50ms", "direction": "downstream"},
        effects=[4],
    )
    event(
        BEGIN + 10 * S,
        "effect.planned",
        number=4,
        fault=fault,
        effect="toxic latency",
        lasting=False,
        target="dialogue → speech",
        witness="http",
        neighbours=[],
    )
    event(BEGIN + 10 * S + 9_000_000, "effect.applied", number=4)
    for instance, shift in (("dialogue-1", 0), ("dialogue-2", 300_000_000)):
        for at, state in (
            (13 * S, "open"),
            (15 * S, "half_open"),
            (15 * S + S // 4, "open"),
            (24 * S, "half_open"),
            (24 * S + S // 2, "closed"),
        ):
            event(
                BEGIN + at + shift,
                "system",
                source="dialogue",
                instance=instance,
                event=f"breaker={state}",
                role="breaker",
                time=BEGIN + at + shift,
                error_ns=0,
                detail={"to": "speech"},
            )
    event(BEGIN + 22 * S, "effect.undone", number=4, outcome="reverted", by="engine")
    event(BEGIN + 22 * S, "fault.ended", fault=fault, occurrence=1)
    event(END, "load.finished", arrivals=6500, planned=6500, exit=0)
    event(END + S, "run.finished", how="completed", reason="")


def write_probes(writer: RecordWriter, names: tuple[str, ...]) -> None:
    every = 50_000_000
    due = np.arange(BEGIN - 4 * S, END, every)
    columns: dict[str, list[Any]] = {
        key: [] for key in ("probe", "intended", "sent", "finished", "ok", "value", "detail")
    }
    for n, name in enumerate(names):
        good = ~((due >= BEGIN + (11 + n) * S) & (due < BEGIN + (13 + n) * S))
        columns["probe"] += [name] * len(due)
        columns["intended"] += due.tolist()
        columns["sent"] += (due + 100_000).tolist()
        columns["finished"] += (due + 3_000_000).tolist()
        columns["ok"] += good.tolist()
        columns["value"] += [float("nan")] * len(due)
        columns["detail"] += ["" if ok else "HTTP 503" for ok in good]
    writer.table("probes", columns)


def record(
    folder: Path,
    *,
    count: int = 6500,
    name: str = "slow-speech",
    fault: str = "slow",
    probes: tuple[str, ...] = ("dialogue-health", "turn-end-to-end"),
    seal: bool = True,
) -> Record:
    """The full record: load, one fault, two probes, two breakers, sealed."""
    writer = RecordWriter(folder)
    write_events(writer, name, fault)
    hypothesis = "When speech is slow the breaker opens and people still get their answer as text."
    writer.text(
        "experiment.yaml",
        f"""\
apiVersion: sloproof/v1
kind: Experiment
metadata:
  name: slow-speech
spec:
  hypothesis: {hypothesis}
  target: digital-human
""",
    )
    writer.json("environment.json", ENVIRONMENT)
    if count:
        kinds = [RequestKind("conversation", "turn", "POST", "/sessions/*/turns")]
        writer.requests(requests(count), kinds, ["", "HTTP 503 upstream overloaded", "timed out"])
    if probes:
        write_probes(writer, probes)
    if seal:
        writer.seal()
    else:
        writer.close()
    return Record(folder)


ENVIRONMENT = {
    "versions": {
        "sloproof": "0.4.0",
        "python": "3.11.9",
        "locust": "2.47.0",
        "toxiproxy": "2.12.0",
    },
    "host": {"system": "Linux 6.18.0", "machine": "x86_64", "cores": 2, "memory": "24 GiB"},
    "commit": "4be0f7c",
    "seed": 7,
}


def parse_xml(text: str) -> ET.Element:
    """What a strict reader makes of a document of ours."""
    return ET.fromstring(text.encode())  # noqa: S314 - written by the code under test
