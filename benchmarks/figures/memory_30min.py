"""Memory of the engine and the generator over a run of half an hour."""

from benchmarks.figure import Bench, Figure, Result
from benchmarks.growing import MOST, RATE, memory


def measure(bench: Bench) -> Result:
    return memory(bench, bench.times(30, 5))


FIGURE = Figure(
    name="memory-30min",
    place=12,
    title="Memory over a run of 30 minutes at 500/s",
    goal=f"flat: ≤ {MOST} MiB/min in engine and load",
    method=f"As the figure before, for half an hour at {RATE}/s; only measured when it is named.",
    measure=measure,
    by_name=True,
)
