"""Our load process against a server, driven as the engine drives it, and what it recorded."""

from __future__ import annotations

import os
import subprocess
import time
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.machine import ROOT
from sloproof.contracts import Window
from sloproof.judge.load import Arrivals, LoadAdequacy, load_adequacy
from sloproof.record.reader import Batch, Record
from sloproof.record.schema import NEVER, RequestOutcome
from sloproof.record.writer import RecordWriter
from sloproof.run.load.process import LoadProcess, LoadState
from sloproof.run.load.spec import LoadSpec, Part
from sloproof.spec.pieces import SECOND, Piece

GETTER = """\
from locust import FastHttpUser, task


class Getter(FastHttpUser):
    @task
    def get(self):
        self.client.get("/")
"""
PATIENCE_S = 90


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A level load: so many arrivals a second for so long, by so many workers.

    The first `warmup` seconds of it enter no measure of lateness.
    """

    url: str
    rate: int
    seconds: float
    warmup: float = 0
    workers: int = 1
    slots: int = 200
    profile: str = GETTER
    seed: int = 1


@dataclass(frozen=True, slots=True)
class Driven:
    """A load that is over: its record, when it began (ns of CLOCK_MONOTONIC), its requests.

    `rows` are those after the warm-up.
    """

    record: Record
    began: int
    planned: int
    adequacy: LoadAdequacy
    rows: dict[str, NDArray[Any]]

    @property
    def latencies(self) -> NDArray[np.int64]:
        """From the intended times, in ns, sorted; NEVER where no answer came."""
        finished, intended = self.rows["finished"], self.rows["intended"]
        found: NDArray[np.int64] = np.sort(np.where(finished == NEVER, NEVER, finished - intended))
        return found

    @property
    def lateness(self) -> NDArray[np.int64]:
        """How late requests went out, in ns."""
        found: NDArray[np.int64] = self.rows["sent"] - self.rows["intended"]
        return found

    @property
    def refused(self) -> float:
        """The share of arrivals that found every slot waiting."""
        return float(np.mean(self.rows["outcome"] == RequestOutcome.NO_SLOT))


def p99_ms(durations: NDArray[Any]) -> float:
    """The 99th percentile of durations in ns, in ms; one of them, nothing between two."""
    return float(np.quantile(durations, 0.99, method="inverted_cdf")) / 1_000_000


def drive(folder: Path, wanted: Wanted) -> Driven:
    """Start the load process, let it make its arrivals, and read what it recorded."""
    folder.mkdir(parents=True)
    profile = folder / "profile.py"
    profile.write_text(wanted.profile)
    spec = LoadSpec(
        mix=(Part("profile", str(profile), Fraction(1)),),
        pieces=(Piece(0, None, Fraction(wanted.rate), Fraction(wanted.rate)),),
        host=wanted.url,
        slots=wanted.slots,
        seed=wanted.seed,
        workers=wanted.workers,
    )
    process = LoadProcess(folder / "load", spec)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with (folder / "load.log").open("wb") as log:
        child = subprocess.Popen(process.argv(), env=environment, stdout=log, stderr=log)
        try:
            return _driven(folder, process, wanted)
        finally:
            child.kill()
            child.wait()


def _driven(folder: Path, process: LoadProcess, wanted: Wanted) -> Driven:
    _reach(process, LoadState.READY)
    began = time.monotonic_ns() + SECOND // 2
    process.begin(began)
    ends = began + round(wanted.seconds * SECOND)
    process.stop(ends)
    _reach(process, LoadState.DONE)
    record = _recorded(folder / "record", process, (began, ends), wanted.warmup)
    run = Window("run", round(wanted.warmup * SECOND), ends - began)
    arrivals, counted = Arrivals(run), 0
    kept: list[Batch] = []
    for batch in record.requests(("intended", "finished", "outcome", *Arrivals.COLUMNS)):
        arrivals.see(batch)
        inside = (batch["intended"] >= run.begin) & (batch["intended"] < run.end)
        counted += int(np.count_nonzero(inside))
        kept.append({name: column[inside] for name, column in batch.items()})
    rows = {name: np.concatenate([batch[name] for batch in kept]) for name in kept[0]}
    adequacy = load_adequacy(record, arrivals, counted, bound=None, wanted=True)
    assert adequacy is not None
    assert adequacy.planned is not None
    return Driven(record, began, adequacy.planned, adequacy, rows)


def _recorded(folder: Path, process: LoadProcess, times: tuple[int, int], warmup: float) -> Record:
    """The requests as a record, with the events that load adequacy is judged by."""
    began, end = times[0], times[1] - times[0]
    found = process.requests(began)
    writer = RecordWriter(folder)
    writer.event(0, "run.started", run="bench", experiment="level", monotonic_ns=began)
    writer.event(0, "load.started", at=0)
    writer.event(round(warmup * SECOND), "phase", phase="baseline")
    writer.requests(found.batches(), found.kinds, found.errors)
    facts = {
        "planned": process.spec.schedule.count(0, end),  # not what the generator says
        "bound_ns": process.spec.lateness_ns,
        "exit": 0 if found.facts.finished_normally else "lost",
    }
    writer.event(end, "phase", phase="restore")
    writer.event(end, "load.finished", **facts)
    writer.event(end, "run.finished", how="completed", reason="")
    writer.seal()
    return Record(folder)


def _reach(process: LoadProcess, wanted: LoadState) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while (state := process.state()) is not wanted:
        if state is LoadState.FAILED or time.monotonic() > deadline:
            raise RuntimeError(f"the load is {state} instead of {wanted}: {process.error}")
        time.sleep(0.02)
