"""Arrivals at 1,000/s in one process, beside vegeta and k6."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.attackers import lateness_at_server, open_loop, vegeta
from benchmarks.figure import Bench, Figure, Goal, Result, Row, Table, row
from benchmarks.loading import Wanted, drive, p99_ms
from benchmarks.peers import PeerMissing, go_peer
from benchmarks.server import Server, serving

RATE = 1000
WARMUP_S = 2


def measure(bench: Bench) -> Result:
    """Turn by turn: ours, vegeta, k6; each against the same server, which notes what comes."""
    repetitions, seconds = bench.times(5, 2), WARMUP_S + bench.times(10, 3)
    missing: list[str] = []
    with serving() as server:
        attacks = _peers(bench, server, seconds, missing)
        ours: list[tuple[float, float]] = []
        seen: dict[str, list[tuple[float, float]]] = {}
        for turn in range(repetitions):
            bench.say(f"turn {turn + 1} of {repetitions}")
            wanted = Wanted(url=server.url, rate=RATE, seconds=seconds, warmup=WARMUP_S)
            driven = drive(bench.folder / f"ours-{turn}", wanted)
            count = abs(driven.adequacy.delivered - driven.planned) / driven.planned * 100
            ours.append((count, p99_ms(driven.lateness)))
            seen.setdefault("sloproof", []).append(_seen(server, seconds))
            for who, attack in attacks.items():
                attack()
                seen.setdefault(who, []).append(_seen(server, seconds))
        capacity = _capacity(bench, server)
    counts, lateness = zip(*ours, strict=True)
    rows: list[Row] = [
        row("count error", counts, "%", goal=Goal(at_most=0.1)),
        row("lateness p99, from intended to sent", lateness, "ms", goal=Goal(at_most=2)),
    ]
    for who, pairs in seen.items():
        errors, late = zip(*pairs, strict=True)
        rows.append(row("lateness p99 as the server saw it", late, "ms", who=who))
        rows.append(row("count error as the server saw it", errors, "%", who=who))
    return Result(rows=tuple(rows), tables=capacity, missing=tuple(missing))


def _peers(
    bench: Bench, server: Server, seconds: int, missing: list[str]
) -> dict[str, Callable[[], object]]:
    attacks: dict[str, Callable[[], object]] = {}
    for peer, attack in open_loop(missing):
        attacks[peer.who] = lambda a=attack, p=peer: a(p, bench.folder, server.url, RATE, seconds)  # type: ignore[misc] # mypy can't infer a lambda with defaults
    return attacks


def _seen(server: Server, seconds: int) -> tuple[float, float]:
    """Count error in per cent and lateness p99 in ms, as the server saw them."""
    came = server.ask("arrivals")
    planned = RATE * seconds
    late = lateness_at_server(came, RATE)[WARMUP_S * RATE :]
    return abs(len(came) - planned) / planned * 100, p99_ms(late - late.min())


def _capacity(bench: Bench, server: Server) -> tuple[Table, ...]:
    try:
        peer = go_peer("vegeta")
    except PeerMissing:
        return ()
    report = vegeta(peer, bench.folder, server.url, 0, bench.times(5, 2))
    server.ask("arrivals")
    cells = (f"{report['throughput']:,.0f} requests/s", f"{peer.who}, 64 workers, no pause")
    return (Table("What the server itself can do on this machine", ("capacity", "by"), (cells,)),)


FIGURE = Figure(
    name="arrivals",
    place=1,
    title="Arrivals at 1,000/s in one process",
    goal="count error ≤ 0.1 %, lateness p99 ≤ 2 ms",
    method=(
        "Open-loop arrivals at 1,000/s from one load process (FastHttpUser) against a small uvloop "
        "server in a process of its own. Lateness is from the intended time to the sending, after "
        "2 s of warm-up in which the connections are made. Beside it vegeta and k6 "
        "(constant-arrival-rate) take turns at the same rate against the same server; what the "
        "server saw is the measure that all three share."
    ),
    measure=measure,
)
