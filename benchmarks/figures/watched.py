"""What being watched costs the system: its p99 with prober, signals and witnesses, and without."""

from __future__ import annotations

import math
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
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


def measure(bench: Bench) -> Result:
    """Pairs of loads, watched and not, the first of them by turns; the ratio within each pair."""
    pairs = bench.times(12, 3)
    plain: list[float] = []
    watched: list[float] = []
    with platform(bench.folder / "system") as system:
        for number in range(pairs):
            bench.say(f"pair {number + 1} of {pairs}")
            for seen in (number % 2 == 0, number % 2 == 1):
                found = _p99(bench, system, f"{number}-{seen}", seen=seen)
                (watched if seen else plain).append(found)
    more = [(a / b - 1) * 100 for a, b in zip(watched, plain, strict=True)]
    low, high = _bounds(more)
    bound = Row(
        what="p99 more than without: upper bound of the median",
        value=high,
        unit="%",
        statistic="95 % bound",
        repetitions=pairs,
        goal=Goal(at_most=2),
    )
    return Result(
        rows=(
            bound,
            row("p99 more than without", more, "%"),
            row("p99 without", plain, "ms"),
            row("p99 watched", watched, "ms"),
        ),
        notes=(f"The median lies between {low:.1f} and {high:.1f} %.",),
    )


def _bounds(values: list[float]) -> tuple[float, float]:
    """Bounds of the median by order statistics: it lies between the k-th from each end.

    David, Nagaraja: Order Statistics, 3rd edition (2003), §7.1. Where there are too few, these are
    the lowest and the highest of them.
    """
    ordered, count = sorted(values), len(values)
    outside = [2 * sum(math.comb(count, n) for n in range(k)) / 2**count for k in range(1, count)]
    depth = max(1, sum(share <= 1 - CONFIDENCE for share in outside))
    return ordered[depth - 1], ordered[-depth]


def _p99(bench: Bench, system: Platform, name: str, *, seen: bool) -> float:
    folder = bench.folder / name
    folder.mkdir()
    wanted = Wanted(
        url=system.gateway,
        rate=RATE,
        seconds=WARMUP_S + bench.times(20, 6),
        warmup=WARMUP_S,
        profile=(ROOT / "load_profiles" / "conversation.py").read_text(encoding="utf-8"),
    )
    with _watching(folder / "prober", system) if seen else nullcontext():
        driven = drive(folder / "load", wanted)
    return p99_ms(driven.latencies)


@contextmanager
def _watching(folder: Path, system: Platform) -> Iterator[None]:
    """A prober at work, with all that a run of slow-speech watches."""
    prober = ProberProcess(folder)
    prober.write_spec(_probes(system))
    process = subprocess.Popen(prober.argv(), cwd=ROOT)
    try:
        deadline = time.monotonic() + PATIENCE_S
        while prober.state().phase != "ready":
            assert time.monotonic() < deadline, prober.state()
            time.sleep(0.01)
        yield
        prober.stop()
        process.wait(PATIENCE_S)
    finally:
        process.kill()
        process.wait()
        prober.close()


def _probes(system: Platform) -> list[ProbeSpec]:
    """The door at 100 Hz, speech, two signals, both ways of witnessing two links, neighbours."""
    found = [
        _http("door", f"{system.gateway}/health", 10),
        _http("speech", f"{system.service('speech_1')}/health", 100),
    ]
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
        "door, two signals each 250 ms and the witnesses of two links, and without, by turns. The "
        "p99 is from intended times; the ratio is taken within each pair, which shares the "
        "machine's mood. Met is what is shown: the upper bound of the median of those ratios."
    ),
    measure=measure,
)
