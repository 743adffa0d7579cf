"""What being watched costs the system: its p99 with prober, signals and witnesses, and without.

And what the parts of that cost: the same without the many requests to the door, and those alone.
"""

from __future__ import annotations

import math
import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.figure import Bench, Figure, Goal, Result, Row, row
from benchmarks.loading import Wanted, drive, p99_ms
from benchmarks.machine import ROOT
from benchmarks.platform import Platform, platform
from sloproof.contracts import Duration, ProbeSpec
from sloproof.run.probing.process import ProberProcess

RATE = 100
WARMUP_S = 3
MS = 1_000_000
PATIENCE_S = 20
CONFIDENCE = 0.95
PLAIN, DOOR, REST, WATCHED = ARMS = ("plain", "door", "rest", "watched")


def measure(bench: Bench) -> Result:
    """Rounds of loads, each watched in another way, the first of them by turns.

    Ratios are taken within each round.
    """
    rounds = bench.times(12, 3)
    p99: dict[str, list[float]] = {arm: [] for arm in ARMS}
    work: dict[str, list[float]] = {arm: [] for arm in ARMS}
    with platform(bench.folder / "system") as system:
        for number in range(rounds):
            bench.say(f"round {number + 1} of {rounds}")
            for arm in (*ARMS[number % len(ARMS) :], *ARMS[: number % len(ARMS)]):
                found = _loaded(bench, system, f"{number}-{arm}", _probes(system, arm))
                p99[arm].append(found.p99_ms)
                work[arm].append(found.work)
    more = {arm: _more(p99[arm], p99[PLAIN]) for arm in ARMS}
    low, high = _bounds(more[WATCHED])
    bound = Row(
        what="p99 more than without: upper bound of the median",
        value=high,
        unit="%",
        statistic="95 % bound",
        repetitions=rounds,
        goal=Goal(at_most=2),
    )
    return Result(
        rows=(
            bound,
            row("p99 more than without", more[WATCHED], "%"),
            row("of it, the door at 100 Hz alone", more[DOOR], "%"),
            row("of it, all but the door", more[REST], "%"),
            row("p99 without", p99[PLAIN], "ms"),
            row("p99 watched", p99[WATCHED], "ms"),
            row("the prober's own work", work[WATCHED], "% of a core"),
        ),
        notes=(f"The median lies between {low:.1f} and {high:.1f} %.",),
    )


def _more(these: Sequence[float], those: Sequence[float]) -> list[float]:
    """By how many percent each of `these` is more than its fellow."""
    return [(a / b - 1) * 100 for a, b in zip(these, those, strict=True)]


def _bounds(values: list[float]) -> tuple[float, float]:
    """Bounds of the median by order statistics: it lies between the k-th from each end.

    David, Nagaraja: Order Statistics, 3rd edition (2003), §7.1. Where there are too few, these are
    the lowest and the highest of them.
    """
    ordered, count = sorted(values), len(values)
    outside = [2 * sum(math.comb(count, n) for n in range(k)) / 2**count for k in range(1, count)]
    depth = max(1, sum(share <= 1 - CONFIDENCE for share in outside))
    return ordered[depth - 1], ordered[-depth]


@dataclass(frozen=True, slots=True)
class Loaded:
    """The p99 of one load, and the prober's processor time meanwhile as a share of a core, in %."""

    p99_ms: float
    work: float


def _loaded(bench: Bench, system: Platform, name: str, probes: Sequence[ProbeSpec]) -> Loaded:
    folder = bench.folder / name
    folder.mkdir()
    wanted = Wanted(
        url=system.gateway,
        rate=RATE,
        seconds=WARMUP_S + bench.times(20, 6),
        warmup=WARMUP_S,
        profile=(ROOT / "load_profiles" / "conversation.py").read_text(encoding="utf-8"),
    )
    if not probes:
        return Loaded(p99_ms(drive(folder / "load", wanted).latencies), 0.0)
    with _watching(folder / "prober", probes) as pid:
        began, worked = time.monotonic(), _processor_s(pid)
        driven = drive(folder / "load", wanted)
        took = time.monotonic() - began
        return Loaded(p99_ms(driven.latencies), (_processor_s(pid) - worked) / took * 100)


@contextmanager
def _watching(folder: Path, probes: Sequence[ProbeSpec]) -> Iterator[int]:
    """A prober at work; gives its pid."""
    prober = ProberProcess(folder)
    prober.write_spec(probes)
    process = subprocess.Popen(prober.argv(), cwd=ROOT)
    try:
        deadline = time.monotonic() + PATIENCE_S
        while prober.state().phase != "ready":
            assert time.monotonic() < deadline, prober.state()
            time.sleep(0.01)
        yield process.pid
        prober.stop()
        process.wait(PATIENCE_S)
    finally:
        process.kill()
        process.wait()
        prober.close()


def _processor_s(pid: int) -> float:
    """What a process has computed so far; see proc_pid_stat(5), fields 14 and 15."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _probes(system: Platform, arm: str) -> list[ProbeSpec]:
    """What a run of slow-speech watches, or a part of it."""
    door = [_http("door", f"{system.gateway}/health", 10)]
    return {PLAIN: [], DOOR: door, REST: _rest(system), WATCHED: [*door, *_rest(system)]}[arm]


def _rest(system: Platform) -> list[ProbeSpec]:
    """Speech, two signals, both ways of witnessing two links, neighbours."""
    found = [_http("speech", f"{system.service('speech_1')}/health", 100)]
    for copy in ("dialogue_1", "dialogue_2"):
        params: dict[str, object] = {
            "url": f"{system.service(copy)}/metrics",
            "metric": "circuit_breaker_state",
            "labels": {"to": "speech"},
        }
        found.append(ProbeSpec(f"breaker-{copy}", "prometheus", params, Duration(250 * MS)))
    for name, (host, port) in system.proxies().items():
        struck = name.endswith("speech")
        for kept in (False, True) if struck else (False,):
            link: dict[str, object] = {"host": host, "port": port, "path": "/health", "kept": kept}
            every = Duration((100 if struck else 500) * MS)
            found.append(ProbeSpec(f"{name}-{kept}", "link", link, every))
    return found


def _http(name: str, url: str, every_ms: int) -> ProbeSpec:
    return ProbeSpec(name, "http", {"url": url}, Duration(every_ms * MS))


FIGURE = Figure(
    name="watched",
    place=11,
    title="Cost of being watched",
    goal="≤ 2 % more p99",
    method=(
        f"The reference system under {RATE}/s of `conversation`, with a prober at 100 Hz on its "
        "door, two signals each 250 ms and the witnesses of two links; with a part of that; and "
        "without, by turns. The p99 is from intended times; the ratio is taken within each round, "
        "which shares the machine's mood. Met is what is shown: the upper bound of the median of "
        "those ratios."
    ),
    measure=measure,
)
