"""Injected size against requested, of each kind of fault that strikes one thing; all are witnessed.

Faults of whole stores and regions are measured where their drills are: what counts there is what
was lost, and for how long.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.figure import Bench, Figure, Goal, Result, Row, Table
from benchmarks.machine import ROOT
from benchmarks.runs import experiment, room, run

SPEECH = "{from: dialogue, to: speech}"
DIALOGUE = "{from: gateway, to: dialogue}"
HEAD = """\
apiVersion: sloproof/v1
kind: Experiment
metadata: {name: fidelity}
spec:
  target: digital-human
  load:
    warmup: 2s
    mix: [{profile: conversation, share: 100%}]
    arrivals: [{rate: 30/s}]
  baseline: 5s
  recovery: {at_least: 4s, at_most: 20s}
  verify: [{slo: dialogue-availability}]
  faults:
"""


@dataclass(frozen=True, slots=True)
class Planned:
    """A fault as it stands in the experiment."""

    name: str
    kind: str
    where: str
    fields: str = "{}"
    seconds: int = 4
    rest: int = 3
    """Seconds until the next one; the platform heals what was killed."""

    def text(self, at: int) -> str:
        lasts = f", for: {self.seconds}s" if self.seconds else ""
        return (
            f"    - {{name: {self.name}, inject: {self.kind}, where: {self.where}, "
            f"with: {self.fields}, at: {at}s{lasts}}}\n"
        )


FAULTS = (
    Planned("kill", "pod_kill", "{service: dialogue, pick: {count: 1}}", seconds=0, rest=10),
    Planned("latency-20ms", "latency", SPEECH, "{delay: 20ms}"),
    Planned("latency-100ms", "latency", DIALOGUE, "{delay: 100ms}"),
    Planned("latency-400ms", "latency", SPEECH, "{delay: 400ms}"),
    Planned("latency-50ms-both", "latency", SPEECH, "{delay: 50ms, direction: both}"),
    Planned("bandwidth-20kB", "bandwidth", SPEECH, "{rate: 20kB/s}"),
    Planned("bandwidth-100kB", "bandwidth", DIALOGUE, "{rate: 100kB/s}"),
    Planned("errors-all", "http_error", "{service: speech}", "{share: 100%}"),
    Planned("errors-half", "http_error", "{service: speech}", "{share: 50%}", 60),
    Planned("refused", "partition", SPEECH, "{mode: refused}"),
    Planned("blackhole", "partition", SPEECH, "{mode: blackhole}"),
    Planned("reset", "connection_reset", SPEECH),
    Planned("pause", "pod_pause", "{instance: dialogue-2}"),
)
SHIPPED = ("host-trouble", "resource-shortage", "disk-full-on-backup")
"""Experiments with the kinds that need a system which was armed for them at its start."""


def measure(bench: Bench) -> Result:
    """All faults one after the other, in runs of the reference system, repeated."""
    seen: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for turn in range(repetitions := bench.times(3, 1)):
        bench.say(f"round {turn + 1} of {repetitions}, five minutes")
        folder = bench.folder / f"run-{turn}"
        for fault in (*_planned(folder), *_shipped(folder)):
            seen[fault["name"].partition(" ")[0]].append(fault)
    # What has no size is described by words in its place.
    sized = {n: found for n, found in seen.items() if _is_size(found[0]["requested"])}
    rows = [_off(name, found) for name, found in sized.items()]
    everything = [fault for found in seen.values() for fault in found]
    witnessed = sum(fault["witnessed"] for fault in everything)
    rows.append(
        Row(
            what="faults that were witnessed",
            value=witnessed / len(everything) * 100,
            unit="%",
            statistic="share",
            repetitions=len(everything),
            goal=Goal(at_least=100),
        )
    )
    table = Table(
        "Each fault",
        ("fault", "requested", "measured", "witnessed", "met", "time to revert"),
        tuple(_cells(name, found) for name, found in seen.items()),
    )
    doubts = [
        f"{fault['name']} was not witnessed: {fault['witness_reason']}"
        for fault in everything
        if not fault["witnessed"]
    ]
    return Result(rows=tuple(rows), tables=(table,), notes=tuple(dict.fromkeys(doubts)))


def _planned(folder: Path) -> list[dict[str, Any]]:
    """`FAULTS` in one run."""
    at, lines = 5, []
    for fault in FAULTS:
        lines.append(fault.text(at))
        at += fault.seconds + fault.rest
    file = experiment(folder, "fidelity", HEAD + "".join(lines))
    # Open breakers and retries would keep requests from meeting the fault.
    found = _faults(folder, file, "breaker=off", "retry=off")
    assert len(found) == len(FAULTS)
    return found


def _shipped(folder: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for name in SHIPPED:
        with room("fidelity") as data:
            file = ROOT / "experiments" / f"{name}.yaml"
            found += _faults(folder / name, file, f"data={data}")
    return found


def _faults(folder: Path, file: Path, *values: str) -> list[dict[str, Any]]:
    """What is said of the faults of one run, on a system of its own."""
    (folder / "system").mkdir(parents=True)
    given = (f"state={folder / 'system' / 'state.json'}", *values)
    words = (f"--set={value}" for value in given)
    ran = run(file, folder, "--no-report", "--allow-inconclusive", *words, within=400)
    found: list[dict[str, Any]] = ran.verdict["measures"]["faults"]
    return found


def _is_size(requested: float | str | None) -> bool:
    """Whether it is one that can be missed by a share of it."""
    return isinstance(requested, float) and requested > 0


def _off(name: str, found: list[dict[str, Any]]) -> Row:
    """How far the measured size is off, worst of the repetitions.

    Shares in percentage points: what 600 samples say of a half is by chance alone up to 4 off.
    """
    requested, unit = found[0]["requested"], found[0]["unit"]
    sizes = [fault["measured"] for fault in found if fault["measured"] is not None]
    if unit == "s":
        off, shown, bound = [abs(m - requested) * 1000 for m in sizes], "ms", 2.0
        bound = max(bound, 0.05 * requested * 1000)
    elif unit == "ratio":
        off, shown, bound = [abs(m - requested) * 100 for m in sizes], "points", 5.0
    else:
        off, shown, bound = [abs(m - requested) / requested * 100 for m in sizes], "%", 5.0
    return Row(
        what=f"{name}: off the requested size",
        value=max(off, default=float("inf")),
        unit=shown,
        statistic="greatest",
        repetitions=len(found),
        goal=Goal(at_most=round(bound, 3)),
    )


def _cells(name: str, found: list[dict[str, Any]]) -> tuple[str, ...]:
    sizes = [fault["measured"] for fault in found if fault["measured"] is not None]
    revert = [f["time_to_revert_s"] for f in found if f["time_to_revert_s"] is not None]
    exposed = [fault["exposure"] for fault in found if fault["exposure"] is not None]
    return (
        name,
        _size(found[0]["requested"], found[0]["unit"]),
        _size(median(sizes) if sizes else None, found[0]["unit"]),
        f"{sum(fault['witnessed'] for fault in found)} of {len(found)}",
        f"{sum(exposed):,} requests",
        f"{median(revert) * 1000:.0f} ms" if revert else "",
    )


def _size(value: float | str | None, unit: str) -> str:
    if value is None or isinstance(value, str):
        return ""
    shown = {
        "s": f"{value * 1000:,.2f} ms",
        "B/s": f"{value / 1000:.1f} kB/s",
        "B": f"{value / 1024**2:.2f} MiB",
        "ratio": f"{value:.1%}",
    }
    return shown.get(unit, f"{value:.3g} {unit}")


FIGURE = Figure(
    name="fidelity",
    place=5,
    title="Injected size against requested",
    goal="±5 % or ±2 ms; every fault witnessed",
    method=(
        "`pod_kill`, `pod_pause`, `latency`, `bandwidth`, `http_error`, `partition` and "
        "`connection_reset` one after the other in one run of the reference system at 30 "
        "requests/s, its breakers and retries switched off so that requests meet them; then the "
        "experiments host-trouble (`clock_skew`, `dns_failure`, `io_delay`), resource-shortage "
        "(`cpu_stress`, `memory_pressure`, `fd_exhaustion`, `connection_exhaustion`, "
        "`packet_delay`, `packet_loss`) and disk-full-on-backup (`disk_fill`). Sizes are "
        "the judge's, from the witnesses' samples alone; the goal is for the worst repetition. Of "
        "a share, 5 % are percentage points, and chance alone may take 4 of them."
    ),
    measure=measure,
)
