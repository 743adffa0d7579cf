"""The error of a recovery time, against outages that are known to the moment."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path

from benchmarks.figure import Bench, Figure, Result
from benchmarks.outages import Outage, happen, standing
from benchmarks.projects import WATCHED
from benchmarks.recoveries import compared, http_probe, watched
from sloproof.record.reader import Record

SEED = 20261125


def measure(bench: Bench) -> Result:
    """All outages in one record, judged by one claim; each incident has its own interval."""
    count = bench.times(100, 15)
    bench.say(f"{count} outages of a second or so each")
    outages, record = asyncio.run(_watched(bench.folder, count))
    return compared(bench.folder, outages, record, target=WATCHED.format(port=8080))


async def _watched(folder: Path, count: int) -> tuple[list[Outage], Record]:
    async with standing() as door:
        probes = [http_probe("door", door.port), http_probe("witness", door.window.port)]
        return await watched(folder, probes, partial(happen, door, count, SEED))


FIGURE = Figure(
    name="recovery-time",
    place=4,
    title="Error of recovery time, 10 ms probing",
    goal="≤ 15 ms over 100 seeded outages; the true value inside the interval ≥ 99 of 100",
    method=(
        "A scripted server goes away (connections refused), falls silent, or answers 503, each in "
        "turn, for a seeded 100 to 600 ms, and notes when. The real prober's process probes it "
        "each 10 ms, and a second port of it as the witness; the judge's recovery claim gives an "
        "interval for each outage. Its middle is compared with the truth."
    ),
    measure=measure,
)
