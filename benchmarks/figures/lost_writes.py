"""Lost writes over 200 crashes, counted by the ledger, against a store that knows what it lost."""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.database import database
from benchmarks.figure import Bench, Figure, Goal, Result, Row
from benchmarks.forgetful import LOOPBACK, READ, Truth, crashing, forgetful
from benchmarks.machine import ROOT
from sloproof.contracts import Window
from sloproof.judge.faults import proven_faults
from sloproof.judge.ledger import Ledger, Mask
from sloproof.judge.losses import losses
from sloproof.judge.requests import read_requests
from sloproof.model.addressing import HttpCall
from sloproof.model.target import Entry, Target
from sloproof.record.reader import Record
from sloproof.record.writer import RecordWriter
from sloproof.run.ledger.driver import RealLedger
from sloproof.run.ledger.order import CopyAt, Order

SEED = 20261126
RATE = Fraction(100)
PATIENCE_S = 40
TARGET = Target(
    name="forgetful",
    origin="",
    folder=".",
    platform="external",
    entry=Entry(url="http://127.0.0.1"),
)


def measure(bench: Bench) -> Result:
    """All crashes in one ledger; each lost its own writes."""
    count = bench.times(200, 8)
    bench.say(f"{count} crashes, a second apart")
    with database("lost-writes") as found:
        truth, record, origin = asyncio.run(_kept(bench.folder, found.server.dsn, count))
    ledger = Ledger.of(record)
    assert ledger is not None
    assert not ledger.wrong, ledger.wrong
    everything = Window("run", 0, record.events[-1].t)
    [loss] = losses(ledger, proven_faults(record, read_requests(record), everything))
    which = loss.before | loss.after
    lost = _names(ledger, which)
    begins = [began for (began, _), _ in truth.crashes]
    crash = np.searchsorted(np.array(begins) - origin, ledger.sent)
    exact = sum(
        _names(ledger, which & (crash == n)) == each for n, (_, each) in enumerate(truth.crashes)
    )
    others = {
        "kept twice": (_names(ledger, ledger.duplicated), truth.twice),
        "refused and kept": (_names(ledger, ledger.phantom), truth.refused),
        "kept without an answer": (
            _names(ledger, ledger.indeterminate & ledger.anywhere),
            truth.kept_unanswered,
        ),
    }
    total, none = len(ledger.ids), Goal(at_most=0)
    wrong = len(lost ^ truth.lost)
    return Result(
        rows=(
            _row(
                "crashes whose lost writes were named exactly", exact, count, Goal(at_least=count)
            ),
            _row("writes wrongly called lost, or wrongly not", wrong, total, none),
            _row("lost writes in all", len(lost), total),
            *(
                _row(f"{what}, told wrongly", len(found ^ true), len(true), none)
                for what, (found, true) in others.items()
            ),
        ),
    )


def _row(what: str, value: int, of: int, goal: Goal | None = None) -> Row:
    return Row(what=what, value=value, unit="", statistic="count", repetitions=of, goal=goal)


def _names(ledger: Ledger, which: Mask) -> frozenset[str]:
    return frozenset(map(str, ledger.ids[np.flatnonzero(which)]))


async def _kept(folder: Path, dsn: str, count: int) -> tuple[Truth, Record, int]:
    """Let the crashes happen under a real ledger; what it saw, as a record."""
    async with forgetful(dsn, SEED) as store:
        call = HttpCall(
            method="POST",
            url=f"http://{LOOPBACK}:{store.port}/writes",
            json={"id": "{id}", "run": "{run}"},
        )
        order = Order(
            run="bench",
            name="writes",
            rate=RATE,
            slots=32,
            timeout_ns=2_000_000_000,
            read=READ,
            copies=(CopyAt("a", dsn),),
            http=call,
        )
        ledger = RealLedger(folder / "ledger", lambda _: order)
        [effect] = ledger.prepare(TARGET)
        # Starting it takes a moment in which nothing is timed yet.
        process = subprocess.Popen(effect.argv, cwd=ROOT)  # type: ignore[attr-defined]  # noqa: ASYNC220
        try:
            await _state(ledger, "ready")
            origin = time.monotonic_ns()
            begun = ledger.begin(origin)
            await crashing(store, count, SEED)
            ledger.stop(time.monotonic_ns(), read=True)
            await asyncio.sleep(0.3)
            await store.keep()
            await _state(ledger, "done")
        finally:
            process.kill()
            process.wait()
    record = _recorded(folder / "record", ledger, origin, (store.truth, begun))
    ledger.discard()
    return store.truth, record, origin


def _recorded(
    folder: Path, ledger: RealLedger, origin: int, seen: tuple[Truth, Mapping[str, Any]]
) -> Record:
    """The record of a run whose faults were the crashes."""
    truth, begun = seen
    writer = RecordWriter(folder)
    writer.event(0, "run.started", run="bench", experiment="crashes", monotonic_ns=origin)
    writer.event(0, "phase", phase="baseline")
    writer.event(0, "ledger.started", **begun)
    for number, ((begins, began), _) in enumerate(truth.crashes, start=1):
        fault = {"fault": "crash", "occurrence": number}
        writer.event(begins - origin, "fault.injecting", inject="crash", effects=[number], **fault)
        planned = {"number": number, "effect": "crash", "lasting": True, "target": {}}
        writer.event(
            begins - origin, "effect.planned", witness=None, neighbours=[], **planned, **fault
        )
        writer.event(begins - origin, "effect.applying", number=number)
        writer.event(began - origin, "effect.applied", number=number)
    facts = dict(ledger.write(writer, origin))
    for look in facts.pop("copies"):
        writer.event(look.pop("at") - origin, "ledger.copy", **look)
    writer.event(time.monotonic_ns() - origin, "ledger.finished", **facts)
    writer.seal()
    return Record(folder)


async def _state(ledger: RealLedger, wanted: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while (state := ledger.state()) != wanted:
        assert time.monotonic() < deadline, f"the ledger is {state}, not {wanted}"
        await asyncio.sleep(0.01)


FIGURE = Figure(
    name="lost-writes",
    place=16,
    title="Lost writes over 200 crashes",
    goal="counted exactly",
    method=(
        "A store acknowledges writes, keeps them in PostgreSQL up to 120 ms later, and crashes "
        "about once a second: what waits is lost, and the store notes what that was. Some writes "
        "it keeps twice, some it refuses and keeps, some it keeps without an answer, by a seed. "
        "The real ledger writes to it 100 times a second by HTTP and reads it back once; the "
        "judge's sets of lost, duplicated, phantom and late-applied writes are compared with the "
        "store's own, id by id."
    ),
    measure=measure,
)
