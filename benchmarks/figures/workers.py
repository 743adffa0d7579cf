"""What 1, 2 and 4 workers reach, and where the generator says itself that it is inadequate."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.attackers import lateness_at_server, open_loop
from benchmarks.figure import Bench, Figure, Result, Row, Table, row
from benchmarks.loading import Driven, Wanted, drive, p99_ms
from benchmarks.server import Server, serving

WORKERS = (1, 2, 4)
WARMUP_S = 2
SLOTS = 1000
REFUSED = 0.001
RATES = (1000, 1500, 2000, 2500, 3000, 4000, 5000, 6000, 8000, 10000)
QUICK_RATES = (1000, 2000, 4000, 8000)


@dataclass(frozen=True, slots=True)
class Step:
    """One load at one rate."""

    workers: int
    rate: int
    driven: Driven

    @property
    def adequate(self) -> bool:
        """Whether the generator did its part, and the server could take what it was offered."""
        return self.driven.adequacy.adequate and self.driven.refused <= REFUSED

    def cells(self) -> tuple[str, ...]:
        found = self.driven.adequacy
        return (
            str(self.workers),
            f"{self.rate:,}",
            f"{found.delivered / self.driven.planned:.2%}",
            f"{self.driven.refused:.2%}",
            f"{p99_ms(self.driven.lateness):.1f} ms",
            "yes" if found.adequate else f"no: {found.reason}",
        )


def measure(bench: Bench) -> Result:
    """Rising rates for each number of workers, until two in a row are inadequate."""
    steps: list[Step] = []
    with serving() as server:
        for workers in WORKERS:
            steps += _rising(bench, server, workers)
        reached = max((step.rate for step in steps if step.adequate), default=RATES[0])
        peers, missing = _peers(bench, server, reached)
    rows = [each for workers in WORKERS for each in _reached(steps, workers)]
    head = ("workers", "offered/s", "delivered", "found no slot", "lateness p99", "adequate")
    table = Table("Each step", head, tuple(step.cells() for step in steps))
    return Result(rows=(*rows, *peers), tables=(table,), missing=tuple(missing))


def _rising(bench: Bench, server: Server, workers: int) -> list[Step]:
    found: list[Step] = []
    for rate in QUICK_RATES if bench.quick else RATES:
        bench.say(f"{workers} workers, {rate:,}/s")
        wanted = Wanted(
            url=server.url,
            rate=rate,
            seconds=WARMUP_S + bench.times(10, 4),
            warmup=WARMUP_S,
            workers=workers,
            slots=SLOTS,
        )
        driven = drive(bench.folder / f"{workers}-{rate}", wanted)
        server.ask("arrivals")
        found.append(Step(workers, rate, driven))
        if not any(step.adequate for step in found[-2:]) and len(found) > 1:
            break
    return found


def _reached(steps: list[Step], workers: int) -> list[Row]:
    mine = [step for step in steps if step.workers == workers]
    good = [step.rate for step in mine if step.adequate]
    bad = [step.rate for step in mine if not step.driven.adequacy.adequate]
    named = f"{workers} worker{'s' if workers > 1 else ''}"
    rows = []
    if good:
        what = f"{named}: highest rate delivered in time"
        rows.append(Row(what=what, value=max(good), unit="/s", statistic="highest step"))
    if bad:
        what = f"{named}: lowest rate that the generator called inadequate"
        rows.append(Row(what=what, value=min(bad), unit="/s", statistic="lowest step"))
    return rows


def _peers(bench: Bench, server: Server, rate: int) -> tuple[list[Row], list[str]]:
    rows: list[Row] = []
    missing: list[str] = []
    seconds = bench.times(10, 4)
    for peer, attack in open_loop(missing):
        bench.say(f"{peer.who}, {rate:,}/s")
        attack(peer, bench.folder, server.url, rate, seconds)
        came = server.ask("arrivals")
        share = len(came) / (rate * seconds) * 100
        late = p99_ms(lateness_at_server(came, rate))
        rows.append(row(f"delivered of {rate:,}/s", [share], "%", who=peer.who))
        rows.append(row("lateness p99 as the server saw it", [late], "ms", who=peer.who))
    return rows, missing


FIGURE = Figure(
    name="workers",
    place=2,
    title="What 1, 2 and 4 workers reach",
    goal="none; the generator must say itself when it is inadequate",
    method=(
        "Open-loop arrivals at rising rates for each number of Locust workers (FastHttpUser) on "
        "the cores that the server has to share. A step is adequate where the judge's own load "
        "adequacy says so: arrivals within 0.1 %, at most 0.1 % late, lateness p99 within 20 ms; "
        "a rate counts as delivered in time where besides at most 0.1 % found every one of "
        f"{SLOTS:,} slots waiting, which is the server's doing. The first {WARMUP_S} s are "
        "warm-up. vegeta and k6 then offer the highest of these rates to the same server."
    ),
    measure=measure,
)
