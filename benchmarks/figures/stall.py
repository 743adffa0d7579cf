"""p99 of a run with a stall of 2 s against the analytic value, beside Locust's own statistic."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

from benchmarks.attackers import locust_closed, vegeta
from benchmarks.figure import SLOPROOF, Bench, Figure, Goal, Result, Row, row
from benchmarks.loading import Wanted, drive
from benchmarks.peers import PeerMissing, go_peer, locust
from benchmarks.projects import LATENCY, loaded
from benchmarks.server import Server, serving
from sloproof.judge import judge

RATE, SECONDS, AFTER, STALL = 200, 12, 4, 2
USERS = 10
NS = 1_000_000_000

Attack = Callable[[Path], float]
"""Makes the load of one run into an empty folder, and gives its p99 in seconds."""


def truth(stalled: float) -> float:
    """p99 where who comes x seconds into a stall waits the rest of it, and all else nothing.

    The rank is ⌈0.99 n⌉, so n − rank of them waited longer; they came first, 1/rate apart.
    """
    requests = RATE * SECONDS
    return stalled - (requests - math.ceil(Fraction(99, 100) * requests)) / RATE


def measure(bench: Bench) -> Result:
    """Turn by turn, each against its own stall; errors are against what that stall really was."""
    repetitions = bench.times(5, 1)
    missing: list[str] = []
    values: dict[str, list[float]] = {}
    errors: dict[str, list[float]] = {}
    with serving() as server:
        for who, attack in _attacks(server, missing).items():
            for turn in range(repetitions):
                bench.say(f"{who}: {turn + 1} of {repetitions}")
                server.ask(f"stall {AFTER} {STALL}")
                folder = bench.folder / f"{who}-{turn}"
                folder.mkdir()
                value = attack(folder)
                began, ended = server.ask("stalled")
                true = truth((ended - began) / NS)
                values.setdefault(who, []).append(value * 1000)
                errors.setdefault(who, []).append(abs(value - true) / true * 100)
    rows: list[Row] = []
    for who, found in values.items():
        goal = Goal(at_most=5) if who == SLOPROOF else None
        rows.append(row("p99", found, "ms", who=who))
        rows.append(row("p99, off the analytic value", errors[who], "%", goal=goal, who=who))
    analytic = f"The analytic value for a stall of exactly {STALL} s is {truth(STALL):.3f} s."
    return Result(rows=tuple(rows), notes=(analytic,), missing=tuple(missing))


def _attacks(server: Server, missing: list[str]) -> dict[str, Attack]:
    own = locust()
    found: dict[str, Attack] = {
        SLOPROOF: lambda folder: _ours(folder, server),
        own.who: lambda folder: _closed(folder, server),
    }
    try:
        peer = go_peer("vegeta")
    except PeerMissing as error:
        missing.append(str(error))
        return found

    def attacked(folder: Path) -> float:
        report = vegeta(peer, folder, server.url, RATE, SECONDS)
        return float(report["latencies"]["99th"]) / NS

    return {**found, peer.who: attacked}


def _ours(folder: Path, server: Server) -> float:
    """The p99 that the judge finds in the record."""
    wanted = Wanted(url=server.url, rate=RATE, seconds=SECONDS, slots=RATE * (STALL + 1))
    driven = drive(folder / "load", wanted)
    asked = loaded(folder / "project", "  verify: [{slo: latency}]\n", LATENCY)
    claim = judge(driven.record, loaded=asked).claims[0]
    found = next(number for number in claim.finding.numbers if number.name == "p99")
    assert found.value is not None, claim.finding.reason
    return found.value


def _closed(folder: Path, server: Server) -> float:
    """What Locust's own statistics say of a closed loop of as many requests a second."""
    own = locust_closed(
        locust(), folder, server.url, users=USERS, each=RATE // USERS, seconds=SECONDS
    )
    return float(own["99%"]) / 1000


FIGURE = Figure(
    name="stall",
    place=3,
    title="p99 of a run with a stall of 2 s",
    goal="within 5 % of the analytic value",
    method=(
        f"{RATE} requests/s for {SECONDS} s against a server that answers nothing for {STALL} s, "
        f"{AFTER} s after the first request. Ours is the p99 of the judge's SLO claim on the "
        f"record; Locust's is the 99 % column of its own statistics with {USERS} users and "
        "`constant_throughput` at the same rate, the usual way to use it."
    ),
    measure=measure,
)
