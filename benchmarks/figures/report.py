"""The HTML report of 10 million requests."""

from __future__ import annotations

from benchmarks.figure import Bench, Figure, Goal, Result, row
from benchmarks.gauged import gauged
from benchmarks.synthetic import written

COUNT = 10_000_000


def measure(bench: Bench) -> Result:
    """`sloproof report` as a user calls it, each time in a new process; it judges first."""
    bench.say(f"writing a record of {COUNT:,} requests")
    record = written(bench.folder, COUNT)
    found = [gauged(bench.folder, "report", str(record)) for _ in range(bench.times(7, 3))]
    assert all(each.status == 0 for each in found), found[0].said
    size = (record / "report.html").stat().st_size / 1000
    return Result(
        rows=(
            row("time, whole process", [g.seconds for g in found], "s", goal=Goal(at_most=5)),
            row("processor time, all threads", [g.cpu_s for g in found], "s"),
            row("memory at its peak", [g.peak_mib for g in found], "MiB", goal=Goal(at_most=768)),
            row("size of the page", [size], "kB", goal=Goal(at_most=400)),
        ),
        missing=("`--interactive` (≤ 1.5 MB of HTML) is not built yet",),
    )


FIGURE = Figure(
    name="report",
    place=8,
    title="Report of 10 million requests",
    goal="≤ 5 s, ≤ 768 MiB, ≤ 400 kB of HTML",
    method=(
        "`sloproof report` of the record that the figure before judges. Time of the whole process, "
        "judging, imports and the check of the seal included; memory is its VmHWM."
    ),
    measure=measure,
)
