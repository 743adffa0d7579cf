"""Memory of the engine and the generator over a run of five minutes."""

from benchmarks.figure import Bench, Figure, Result
from benchmarks.growing import MOST, RATE, memory


def measure(bench: Bench) -> Result:
    return memory(bench, bench.times(5, 3))


FIGURE = Figure(
    name="memory",
    place=12,
    title="Memory over a run of 5 minutes at 500/s",
    goal=f"flat: ≤ {MOST} MiB/min in engine and load",
    method=(
        f"`sloproof run` at {RATE}/s against a small server, with a probe at 100 Hz. VmRSS of each "
        "process every 2 s from outside; the slope by least squares after 90 s, as the engine "
        "keeps the last minute for stop conditions. To keep but ten bytes of each request would "
        "take 0.3 MiB a minute."
    ),
    measure=measure,
)
