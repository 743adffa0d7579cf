"""The error of a recovery time of a real database, against one that looks each millisecond."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path

from benchmarks.database import BLOWS, Database, database
from benchmarks.figure import Bench, Figure, Result, Row, row
from benchmarks.observer import Observer, observing
from benchmarks.outages import Outage, Window, overlooking
from benchmarks.recoveries import EVERY, MS, TIMEOUT, compared, http_probe, watched
from sloproof.contracts import ProbeSpec
from sloproof.record.reader import Record

SEED = 20261127
KINDS = tuple(BLOWS)
QUERY = "select 1"
GOOD = "90%"
"""An answer that takes longer than 10 ms counts as a failure; one such is no other outage."""
TARGET = """\
  platform: external
  entry: {{url: "http://127.0.0.1:8080"}}
  probes:
    - {{name: door, kind: sql, params: {{dsn: "{dsn}", query: {query}}}, every: 10ms}}
"""


def measure(bench: Bench) -> Result:
    """All outages in one record, judged by one claim; each incident has its own interval."""
    count = bench.times(60, 9)
    bench.say(f"{count} outages of a second or so each")
    with database("database-recovery") as found:
        dsn = found.server.dsn
        outages, record = asyncio.run(_watched(bench.folder, found, count))
        ready = found.ready()
    target = TARGET.format(dsn=dsn, query=QUERY)
    result = compared(bench.folder, outages, record, target=target, good=GOOD)
    return replace(result, rows=(*result.rows, *_known(outages, ready)))


def _known(outages: list[Outage], ready: list[int]) -> Iterable[Row]:
    """How well the truth itself is known, and whether the server says the same."""
    open_ms = [(each.ended[1] - each.ended[0]) / MS for each in outages]
    yield row("what the truth leaves open", open_ms, "ms")
    started = [each for each in outages if each.kind != "frozen"]
    agreed = sum(
        any(each.ended[0] - MS <= moment <= each.ended[1] for moment in ready) for each in started
    )
    yield Row(
        what="the server's own log says that it was ready just then",
        value=agreed / len(started) * 100,
        unit="%",
        statistic="share",
        repetitions=len(started),
    )


async def _watched(folder: Path, found: Database, count: int) -> tuple[list[Outage], Record]:
    dsn = found.server.dsn
    params: dict[str, object] = {"dsn": dsn, "query": QUERY, "expect": 1}
    door = ProbeSpec("door", "sql", params, every=EVERY, timeout=TIMEOUT)
    async with overlooking() as window, observing(dsn) as observer:
        probes = [door, http_probe("witness", window.port)]
        return await watched(folder, probes, partial(_happen, found, window, observer, count))


async def _happen(found: Database, window: Window, observer: Observer, count: int) -> list[Outage]:
    """Let the database go down `count` times, each kind in turn."""
    chance = random.Random(SEED)
    outages: list[Outage] = []
    await asyncio.sleep(1)
    for number in range(count):
        kind = KINDS[number % len(KINDS)]
        window.down = kind
        began = found.strike(kind)
        await asyncio.sleep(chance.uniform(0.1, 0.6))
        ended = await observer.back(await found.bring_back())
        window.down = ""
        outages.append(Outage(kind, began, ended))
        await asyncio.sleep(chance.uniform(0.5, 0.7))
    return outages


FIGURE = Figure(
    name="database-recovery",
    place=18,
    title="Error of a real database's recovery time, 10 ms probing",
    goal="≤ 15 ms over 60 seeded outages; the true value inside the interval ≥ 99 of 100",
    method=(
        "A PostgreSQL server is killed (SIGKILL to the postmaster) and started again, so that it "
        "recovers from the crash; shut down in good order and started again; or frozen (SIGSTOP to "
        "all of its processes) and thawed, each in turn, for a seeded 100 to 600 ms and as long as "
        "its start takes. An outage begins with the signal. Its end is noted by a process of its "
        "own that asks every millisecond by libpq: it lies between the beginning of the last try "
        "that failed and the end of the first good one. The real prober's process asks each 10 ms "
        "by the probe `sql`, with a port that tells of the outage as the witness; the judge's "
        "recovery claim gives an interval for each outage. Its middle is compared with the middle "
        "of the truth. Server and that process go before others, so that it isn't measured how "
        "busy the machine is."
    ),
    measure=measure,
)
