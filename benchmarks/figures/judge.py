"""Judging 10 million requests."""

from __future__ import annotations

from benchmarks.figure import Bench, Figure, Goal, Result, row
from benchmarks.gauged import gauged
from benchmarks.synthetic import written

COUNT = 10_000_000


def measure(bench: Bench) -> Result:
    """`sloproof judge` as a user calls it, each time in a new process."""
    bench.say(f"writing a record of {COUNT:,} requests")
    record = written(bench.folder, COUNT)
    found = [gauged(bench.folder, "judge", str(record)) for _ in range(bench.times(7, 3))]
    assert all(each.status == 0 for each in found), found[0].said
    size = (record / "requests.parquet").stat().st_size / 1e6
    return Result(
        rows=(
            row("time, whole process", [g.seconds for g in found], "s", goal=Goal(at_most=3)),
            row("processor time, all threads", [g.cpu_s for g in found], "s"),
            row("memory at its peak", [g.peak_mib for g in found], "MiB", goal=Goal(at_most=512)),
        ),
        notes=(f"The requests of the record take {size:.0f} MB.",),
    )


FIGURE = Figure(
    name="judge",
    place=7,
    title="Judge of 10 million requests",
    goal="≤ 3 s, ≤ 512 MiB",
    method=(
        "`sloproof judge` of a synthetic record of ten minutes: two kinds of requests, a fault "
        "with a witness, four SLO claims (two ratios, two quantiles, three windows). Time of the "
        "whole process with imports and the check of the seal; memory is its VmHWM."
    ),
    measure=measure,
)
