"""Known outages before a real prober: what the judge says of their recoveries, and how far off."""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.figure import Goal, Result, Row, row
from benchmarks.machine import ROOT
from benchmarks.outages import Outage
from benchmarks.projects import RECOVERY, loaded
from sloproof.contracts import Duration, ProbeSpec
from sloproof.judge import judge
from sloproof.record.reader import Record
from sloproof.record.writer import RecordWriter
from sloproof.run.probing.process import ProberProcess

EVERY = Duration(10_000_000)
TIMEOUT = Duration(1_000_000_000)
MS = 1_000_000
PATIENCE_S = 20


def compared(
    folder: Path, outages: list[Outage], record: Record, *, target: str, good: str = "99%"
) -> Result:
    """The reported intervals against the truth; `target` has the probe `door` that saw them.

    Back means that share of good samples for 300 ms.
    """
    spec = "  verify: [{recovery: back}]\n"
    objectives = RECOVERY.format(good=good)
    asked = loaded(folder / "project", spec, objectives, target=target, load=False)
    verdict = judge(record, loaded=asked)
    measured: Any = verdict.measures["recoveries"]  # in the order of time
    intervals = [each["rto_s"] for each in measured]
    found = [(low * 1e3, high * 1e3) for low, high in intervals if high is not None]
    reason = verdict.claims[0].finding.reason
    count = len(outages)
    assert len(found) == count, f"{len(found)} of {count} recoveries: {reason}"
    true = [outage.lasted / MS for outage in outages]
    pairs = list(zip(found, true, strict=True))
    inside = sum(low <= value <= high for (low, high), value in pairs)
    errors = [abs((low + high) / 2 - value) for (low, high), value in pairs]
    return Result(
        rows=(
            _greatest("error of the interval's middle", errors, Goal(at_most=15)),
            row("error of the interval's middle", errors, "ms"),
            Row(
                what="true value inside the reported interval",
                value=inside / count * 100,
                unit="%",
                statistic="share",
                repetitions=count,
                goal=Goal(at_least=99),
            ),
            row("width of the interval", [high - low for (low, high), _ in pairs], "ms"),
        ),
        notes=tuple(_by_kind(outages, errors)),
    )


def _greatest(what: str, values: list[float], goal: Goal) -> Row:
    return Row(
        what=f"greatest {what}",
        value=max(values),
        unit="ms",
        statistic="greatest",
        repetitions=len(values),
        goal=goal,
    )


def _by_kind(outages: list[Outage], errors: list[float]) -> list[str]:
    kinds: dict[str, list[float]] = {}
    for outage, error in zip(outages, errors, strict=True):
        kinds.setdefault(outage.kind, []).append(error)
    return [
        f"{kind}: {len(found)} outages, mean error {sum(found) / len(found):.1f} ms, "
        f"greatest {max(found):.1f} ms"
        for kind, found in kinds.items()
    ]


async def watched(
    folder: Path, probes: Sequence[ProbeSpec], happen: Callable[[], Awaitable[list[Outage]]]
) -> tuple[list[Outage], Record]:
    """Let the outages happen before a real prober; what it saw, as a record.

    The probe `door` sees the outages, the probe `witness` that something is down.
    """
    prober = ProberProcess(folder / "prober")
    prober.write_spec(probes)
    origin = time.monotonic_ns()
    # Starting it takes a moment in which nothing is timed yet.
    process = subprocess.Popen(prober.argv(), cwd=ROOT)  # noqa: ASYNC220
    try:
        await _until(prober, "ready")
        outages = await happen()
        prober.stop()
        await _until(prober, "done")
    finally:
        process.kill()
        process.wait()
    record = _recorded(folder / "record", prober, origin, outages)
    prober.close()
    return outages, record


def http_probe(name: str, port: int) -> ProbeSpec:
    """One that asks each 10 ms."""
    params: dict[str, object] = {"url": f"http://127.0.0.1:{port}/"}
    return ProbeSpec(name, "http", params, every=EVERY, timeout=TIMEOUT)


async def _until(prober: ProberProcess, phase: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while (state := prober.state()).phase != phase:
        assert state.phase != "failed", state.error
        assert time.monotonic() < deadline, f"the prober is not {phase}"
        await asyncio.sleep(0.01)


def _recorded(folder: Path, prober: ProberProcess, origin: int, outages: list[Outage]) -> Record:
    """The record of a run whose faults were the outages, each healed by the system itself."""
    writer = RecordWriter(folder)
    end = time.monotonic_ns() - origin
    writer.event(0, "run.started", run="bench", experiment="outages", monotonic_ns=origin)
    writer.event(0, "phase", phase="baseline")
    for number, outage in enumerate(outages, start=1):
        _write_fault(writer, number, outage, origin)
    writer.event(end, "phase", phase="restore")
    writer.event(end, "run.finished", how="completed", reason="")
    writer.table("probes", prober.samples(origin))
    writer.seal()
    return Record(folder)


def _write_fault(writer: RecordWriter, number: int, outage: Outage, origin: int) -> None:
    fault = {"fault": outage.kind, "occurrence": number}
    begins, began = (at - origin for at in outage.began)
    witness = {
        "sense": "observed",
        "probes": ["witness"],
        "kept": [],
        "expected": None,
        "unit": "",
        "tolerance": None,
    }
    writer.event(begins, "fault.injecting", inject="outage", effects=[number], **fault)
    writer.event(
        begins,
        "effect.planned",
        number=number,
        effect=outage.kind,
        lasting=True,
        target={"instance": {"name": "door-1", "service": "door"}},
        witness=witness,
        neighbours=[],
        **fault,
    )
    writer.event(begins, "effect.applying", number=number)
    writer.event(began, "effect.applied", number=number)
    writer.event(began, "fault.ended", **fault)
    writer.event(outage.ended[1] - origin, "effect.healed", number=number)
