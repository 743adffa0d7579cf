"""What figures compare with: analytic values, and outages that are known."""

from __future__ import annotations

import asyncio
import time

import numpy as np
import pytest

from benchmarks.attackers import lateness_at_server
from benchmarks.database import BLOWS, database
from benchmarks.figures.stall import RATE, SECONDS, truth
from benchmarks.observer import observing
from benchmarks.outages import KINDS, happen, standing
from benchmarks.server import serving

MS = 1_000_000


def test_the_analytic_p99_of_a_stall_is_that_of_waits_counted_one_by_one() -> None:
    stalled = 2.0
    due = np.arange(RATE * SECONDS) / RATE
    begin = due[RATE * 4]
    waits = np.where((due >= begin) & (due < begin + stalled), begin + stalled - due, 0.0)
    assert truth(stalled) == pytest.approx(
        float(np.quantile(waits, 0.99, method="inverted_cdf")), abs=1e-9
    )


def test_lateness_counts_from_the_most_punctual_arrival() -> None:
    came = [5 + 0, 5 + 10 * MS, 5 + 20 * MS + 3 * MS, 5 + 30 * MS]
    assert lateness_at_server(came, 100).tolist() == [0, 0, 3 * MS, 0]


def test_an_outage_lasts_from_when_it_began_to_when_it_ended() -> None:
    async def two() -> list[float]:
        async with standing() as door:
            found = await happen(door, len(KINDS), seed=1)
            assert [each.kind for each in found] == list(KINDS)
            assert all(max(each.began) < min(each.ended) for each in found)
            return [each.lasted / 1e9 for each in found]

    assert all(0.1 <= lasted < 2 for lasted in asyncio.run(two()))


def test_a_database_goes_down_in_each_way_and_is_seen_to_come_back() -> None:
    async def each_way() -> None:
        async with observing(found.server.dsn) as observer:
            for kind in BLOWS:
                _, began = found.strike(kind)
                await asyncio.sleep(0.1)
                low, high = await observer.back(await found.bring_back())
                assert began + 100 * MS <= low < high, kind
                said = found.ready()[-1]
                assert kind == "frozen" or low - MS <= said <= high, kind

    with database("test-benchmarks") as found:
        asyncio.run(each_way())


def test_the_server_remembers_when_requests_came_and_that_it_stalled() -> None:
    import urllib.request

    with serving() as server:
        server.ask("stall 0 0.3")
        began = time.monotonic()
        for _ in range(3):
            with urllib.request.urlopen(f"{server.url}/", timeout=5) as answer:
                assert answer.read() == b"ok"
        assert time.monotonic() - began >= 0.25
        begins, ends = server.ask("stalled")
        assert ends - begins >= 299 * MS, "the loop's timers count whole milliseconds"
        assert len(server.ask("arrivals")) == 3
        assert server.ask("arrivals") == []
