"""The delay of packets against what was asked for, packet by packet."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np

from benchmarks.figure import Bench, Figure, Goal, Result, Row
from benchmarks.machine import ROOT
from sloproof.contracts import DelaysPackets
from sloproof.platforms.parts.packets import lacking

RATES = (200, 2000)
DELAYS_MS = (5, 50)
SECONDS = 10
BOUND = Goal(at_most=2)


def measure(bench: Bench) -> Result:
    """Each rate and delay in a network of its own."""
    if reason := lacking(DelaysPackets):
        return Result(missing=(reason,))
    rows: list[Row] = []
    for rate in RATES:
        for delay in DELAYS_MS:
            count = rate * bench.times(SECONDS, 2)
            bench.say(f"{delay} ms at {rate} packets/s")
            argv = ["unshare", "--net", sys.executable, "-m", "benchmarks.packets"]
            argv += [str(rate), str(count), str(delay)]
            done = subprocess.run(argv, cwd=ROOT, capture_output=True, check=True, timeout=120)
            off = np.array(json.loads(done.stdout)) - delay
            what = f"{delay} ms at {rate:,} packets/s"
            figures = {
                "mean": abs(float(off.mean())),
                "p95 of the absolute": float(np.quantile(np.abs(off), 0.95)),
            }
            rows += [
                Row(
                    what=f"{what}: off what was asked",
                    value=value,
                    unit="ms",
                    statistic=statistic,
                    repetitions=count,
                    goal=BOUND,
                )
                for statistic, value in figures.items()
            ]
    return Result(rows=tuple(rows))


FIGURE = Figure(
    name="packet-delay",
    place=17,
    title="The delay of packets against what was asked for",
    goal="±2 ms, on average and for 95 % of packets, at 200 and at 2,000 packets/s",
    method=(
        "One connection over loopback in a network of its own carries messages, each in a packet, "
        "from one process to another; how much longer than usual each is on its way while "
        "`packet_delay` is in force. Both go before other processes, so that it is packets that "
        "are late and not who looks at them."
    ),
    measure=measure,
)
