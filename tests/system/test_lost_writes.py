"""What a killed primary takes with it, on the reference system: the true number of lost writes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from sloproof.record.reader import Record
from sloproof.record.schema import WriteOutcome
from tests.system.drills import written
from tests.system.running import Bench

CUT = """  faults:
    - name: between
      inject: partition
      where: {from: store, to: store}
      with: {mode: blackhole}
      at: 6s
      for: 4s
"""
CHANGES = {
    "      at: 6s\n": "      at: 8s\n",
    "  faults:\n": CUT,
    "    - recovery: store-recovery\n": "",
    "    - data_loss: {ledger: notes}\n      tolerance: {rpo: 3s}\n": (
        "    - data_loss: {ledger: notes, at_most: 0}\n"
    ),
}
"""The standby is cut off two seconds before the primary dies."""


@pytest.fixture(params=["off", "on"])
def regions(bench: Bench, request: pytest.FixtureRequest) -> Iterator[Bench]:
    """The reference system in two regions, which nobody stops at a run's end."""
    bench.settings["synchronous"] = request.param
    sets = (f"--set=synchronous={request.param}", "--set=limits=off")
    bench.digital_human("up", "--profile=drill", "--detach", *sets)
    yield bench
    bench.digital_human("down")


def kept(bench: Bench) -> set[str]:
    """The notes of all shards that the new primary has, asked by nobody but this test."""
    url = json.loads(bench.system.read_text())["services"]["store_b_1"]["url"]
    with psycopg.connect(url) as connection:
        assert connection.execute("select pg_is_in_recovery()").fetchone() == (False,)
        return {name for (name,) in connection.execute("select id from public.notes").fetchall()}


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_lost_writes_of_a_killed_primary_are_counted_truly(regions: Bench) -> None:
    ran = regions.run(regions.amended("primary-kill", CHANGES))
    acknowledged = written(Record(Path(ran.said["record"])), WriteOutcome.ACKNOWLEDGED)
    lost = acknowledged - kept(regions)
    [claim] = [each for each in ran.said["claims"] if each["id"] == "data_loss:notes"]
    counted = {number["name"]: number["value"] for number in claim["numbers"]}
    assert counted["lost"] == len(lost), claim["reason"]
    assert len(acknowledged) > 500
    if regions.settings["synchronous"] == "on":
        assert (claim["outcome"], lost) == ("PASS", set()), claim["reason"]
    else:
        # 50 writes each second, of which two seconds' worth reached nobody else.
        assert (claim["outcome"], len(lost) > 50) == ("FAIL", True), claim["reason"]
