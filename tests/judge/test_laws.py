"""Laws that every measure keeps: time shifted, rows permuted, units scaled, windows merged.

The first three hold for a whole verdict at once, so they are asked of whole records: an outage, a
fault and a load whose times are drawn. Merging is asked of what can be added.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given, settings
from hypothesis import strategies as st

from sloproof.contracts import Duration, Ratio, Window
from sloproof.judge.budget import spendings
from sloproof.judge.checks.budget import Budget
from sloproof.judge.checks.recovery import RecoveryTime
from sloproof.judge.checks.slo import ServiceLevel
from sloproof.judge.indicator import good_of, latencies_of
from sloproof.judge.load import Arrivals
from sloproof.judge.quantile import at_ranks, rank
from sloproof.judge.ratio import Count
from sloproof.judge.requests import Requests, read_requests
from sloproof.model.verdict import Verdict
from sloproof.record.reader import Record
from sloproof.record.schema import NEVER
from sloproof.record.writer import RecordWriter
from sloproof.spec.objectives import Matcher, QuantileIndicator, RatioIndicator
from sloproof.testing.moved import moved_record
from sloproof.testing.record import RecordBuilder
from tests.judge.cases import (
    FAULT,
    built,
    faulted,
    latency_slo,
    line,
    recovery_objective,
    slo,
    verdict,
)

SECOND = 1_000_000_000
TIMES = ("intended", "sent", "finished", "time")
LINES = (
    line(ServiceLevel(slo="availability")),
    line(ServiceLevel(slo="latency")),
    line(RecoveryTime(objective="back")),
    line(Budget(slo="availability", at_most=Ratio.parse("5%"))),
)


@dataclass(frozen=True)
class Run:
    """A run with an outage as its load and its probe saw it; times in milliseconds."""

    began: int
    lasted: int
    delay: int
    lag: int

    def record(self, folder: Path) -> Record:
        end = self.began + self.lasted
        fault = replace(FAULT, size=self.delay / 1000, tolerance=self.delay / 20_000)
        builder = faulted(
            f"""
            at           every  count                      took            lag         outcome
            0ms          10ms   700                        10ms            {self.lag}ms ok
            7s           10ms   {(self.began - 7000) // 10} {self.delay}ms {self.lag}ms ok
            {self.began}ms 10ms {self.lasted // 10}        5ms             {self.lag}ms error
            {end}ms      10ms   {(25_000 - end) // 10}     12ms            {self.lag}ms ok
            """,
            fault,
        )
        builder.probe(
            "gate",
            f"""
            from           to             every  ok
            0s             {self.began}ms 100ms  yes
            {self.began}ms {end}ms        100ms  no
            {end}ms        26s            100ms  yes
            """,
        )
        return built(builder, folder)


RUNS = st.builds(
    Run,
    began=st.integers(720, 1000).map(lambda n: n * 10),
    lasted=st.integers(10, 800).map(lambda n: n * 10),
    delay=st.integers(100, 900),
    lag=st.integers(0, 15),
)
EXAMPLES = settings(deadline=None, max_examples=12)


def judged(record: Record, unit: int = 1) -> Verdict:
    """By objectives in units that are `unit` times as long."""
    objectives = (
        slo(window=Duration(30 * 86_400 * SECOND * unit)),
        latency_slo(limit=f"{700 * unit}ms"),
        recovery_objective(f"{5 * unit}s", stable_for=Duration(2 * SECOND * unit)),
    )
    return verdict(record, *LINES, objectives=objectives, faults=("slow",))


def said(found: Verdict) -> list[Any]:
    """All that it says but for its words, which name absolute times."""
    claims = [(claim.id, claim.finding.outcome, claim.finding.numbers) for claim in found.claims]
    return [found.outcome, claims, found.measures]


@EXAMPLES
@given(RUNS, st.integers(1, 10**13))
def test_when_a_run_took_place_changes_nothing(run: Run, by: int) -> None:
    with TemporaryDirectory() as folder:
        record = run.record(Path(folder))
        moved = moved_record(record, Path(folder) / "moved", by)
        assert said(judged(moved)) == said(judged(record))


@EXAMPLES
@given(RUNS, st.integers(0, 2**32))
def test_in_which_order_rows_were_written_changes_nothing(run: Run, seed: int) -> None:
    with TemporaryDirectory() as folder:
        record = run.record(Path(folder))
        before = said(judged(record))
        mixed = Path(folder) / "mixed"
        shutil.copytree(record.folder, mixed)
        (mixed / "seal.json").unlink()
        for table in ("requests", "probes"):
            rows = pq.read_table(mixed / f"{table}.parquet")
            order = np.random.default_rng(seed).permutation(rows.num_rows)
            pq.write_table(rows.take(order), mixed / f"{table}.parquet")
        assert said(judged(sealed(mixed))) == before


@EXAMPLES
@given(RUNS, st.integers(2, 50))
def test_in_which_unit_time_is_counted_scales_lengths_and_nothing_else(run: Run, unit: int) -> None:
    with TemporaryDirectory() as folder:
        record = run.record(Path(folder))
        one, other = judged(record), judged(stretched(record, Path(folder) / "long", unit), unit)
    for before, after in zip(one.claims, other.claims, strict=True):
        assert after.finding.outcome is before.finding.outcome
        for number, scaled in zip(before.finding.numbers, after.finding.numbers, strict=True):
            factor = unit if number.unit == "s" else 1
            for name in ("value", "low", "high"):
                close(getattr(scaled, name), getattr(number, name), factor)
    measures: tuple[dict[str, Any], ...] = (dict(one.measures), dict(other.measures))
    fault, scaled_fault = (each["faults"][0] for each in measures)
    for name in ("measured", "time_to_revert_s"):
        close(scaled_fault[name], fault[name], unit)
    for name in ("witnessed", "exposure", "healed_by"):
        assert scaled_fault[name] == fault[name]
    load, scaled_load = (each["load"] for each in measures)
    close(scaled_load["lateness_p99_s"], load["lateness_p99_s"], unit)


def close(found: float | None, before: float | None, factor: int) -> None:
    if before is None or found is None:
        assert found is before
        return
    assert abs(found - before * factor) <= 1e-9 * max(1.0, abs(found))


# Merging: what two adjoining windows say, their union says.


@EXAMPLES
@given(RUNS, st.lists(st.integers(2_000, 25_000), min_size=3, max_size=3, unique=True))
def test_two_windows_say_together_what_their_union_says(run: Run, edges: list[int]) -> None:
    low, middle, high = (edge * 1_000_000 for edge in sorted(edges))
    first, second = Window("first", low, middle), Window("second", middle, high)
    both = Window("both", low, high)
    with TemporaryDirectory() as folder:
        record = run.record(Path(folder))
        requests = read_requests(record)
        merging_adds(lambda window: counted(requests, window), first, second, both)
        merging_adds(lambda window: Count(0, requests.count(window)), first, second, both)
        merging_adds(lambda window: lateness(record, window), first, second, both)
        quantile_lies_between(requests, first, second, both)
        budget_adds(record, requests, first, second, both)


def merging_adds(
    of: Callable[[Window], Count], first: Window, second: Window, both: Window
) -> None:
    assert of(first) + of(second) == of(both)


def counted(requests: Requests, window: Window) -> Count:
    indicator = RatioIndicator(good=Matcher(status=("2xx",)), total=Matcher())
    return good_of(requests, indicator, None, window)


def lateness(record: Record, window: Window) -> Count:
    """The load's own figures: late and refused arrivals."""
    arrivals = Arrivals(window)
    read_requests(record, Arrivals.COLUMNS, arrivals.see)
    return Count(arrivals.late, arrivals.late + arrivals.no_slot)


def quantile_lies_between(requests: Requests, *windows: Window) -> None:
    """The quantile of a union lies between those of its parts."""
    indicator = QuantileIndicator(total=Matcher(), quantile=Ratio.parse("90%"))
    found = []
    for window in windows:
        values = latencies_of(requests, indicator, window)
        if not len(values):
            return
        [value] = at_ranks(values, rank(len(values), Fraction(9, 10)))
        found.append(NEVER if value is None else value)
    first, second, both = found
    assert min(first, second) <= both <= max(first, second)


def budget_adds(
    record: Record, requests: Requests, first: Window, second: Window, both: Window
) -> None:
    """At an even rate, what two windows spend adds up; each bad request weighs the same."""
    spent = []
    for window in (first, second, both):
        [found] = spendings(record, requests, slo(), window)
        if found.of_one is None:
            return
        # A window's length in requests: exact where arrivals are even, but for those at its edges.
        spent.append((found.of_one, found.found.bad))
    weights = [float(of_one) for of_one, _ in spent]
    bad = [number for _, number in spent]
    assert bad[0] + bad[1] == bad[2]
    shortest = min(first.end - first.begin, second.end - second.begin) / SECOND
    for weight in weights:
        assert abs(weight / weights[2] - 1) <= 0.011 / max(shortest, 0.001) + 1e-9


LATER = 33


def incidents(folder: Path, run: Run, *begins: int) -> dict[str, Any]:
    """The measures of a run of 70 s in which the same thing happens at each of these seconds."""
    builder = RecordBuilder()
    builder.phases(warmup=0, baseline=2, faults=7, recovery=50, restore=70)
    builder.requests(f"at every count took\n0s 10ms 7000 {run.delay}ms")
    last, rows = 0, ["from to every ok"]
    for number, begin in enumerate(begins, start=1):
        at, until = FAULT.at + begin, 12 + begin
        size = run.delay / 1000
        fault = replace(FAULT, at=at, until=until, size=size, tolerance=size, occurrence=number)
        builder.fault(fault)
        low, high = run.began + begin * 1000, run.began + run.lasted + begin * 1000
        rows += [f"{last}ms {low}ms 100ms yes", f"{low}ms {high}ms 100ms no"]
        last = high
    builder.probe("gate", "\n".join([*rows, f"{last}ms 71s 100ms yes"]))
    objectives = (recovery_objective("20s"),)
    found = verdict(built(builder, folder), LINES[2], objectives=objectives, faults=("slow",))
    return dict(found.measures)


@EXAMPLES
@given(RUNS)
def test_two_incidents_of_one_run_are_each_measured_as_if_alone(run: Run) -> None:
    with TemporaryDirectory() as folder:
        alone = incidents(Path(folder) / "alone", run, 0)
        twice = incidents(Path(folder) / "twice", run, 0, LATER)
    [recovery], [fault] = alone["recoveries"], alone["faults"]
    for found in twice["recoveries"]:
        assert [round(each, 9) for each in found["rto_s"]] == [
            round(each, 9) for each in recovery["rto_s"]
        ]
    for found in twice["faults"]:
        assert found["witnessed"], found["witness_reason"]
        close(found["measured"], fault["measured"], 1)
        close(found["time_to_revert_s"], fault["time_to_revert_s"], 1)
        # The windows are open by a sample at one end, so they may differ by one request in 10 ms.
        assert abs(found["exposure"] - fault["exposure"]) <= 1
    assert len(twice["recoveries"]) == len(twice["faults"]) == 2


def sealed(folder: Path) -> Record:
    """Seal a record whose tables were written anew."""
    return moved_record(Record(folder), folder.with_name("sealed"), 0)


def stretched(record: Record, folder: Path, unit: int) -> Record:
    """The record of a run that took `unit` times as long in all its parts."""
    writer = RecordWriter(folder)
    for event in record.events:
        data = json.loads(json.dumps(event.data))
        for name in ("at", "time", "bound_ns"):
            if name in data:
                data[name] *= unit
        witness = data.get("witness") or {}
        for name in ("expected", "tolerance"):
            if witness.get(name) is not None:
                witness[name] *= unit
        writer.event(event.t * unit, event.kind, **data)
    for table in ("requests", "probes"):
        rows = pq.read_table(record.folder / f"{table}.parquet")
        for place, column in enumerate(rows.schema):
            values = np.array(rows.column(place).to_numpy(zero_copy_only=False))
            if column.name in TIMES:
                values[values != NEVER] *= unit
            elif column.name == "value":
                values *= unit
            else:
                continue
            rows = rows.set_column(place, column, pa.chunked_array([values]))
        pq.write_table(rows, folder / f"{table}.parquet")
    writer.text("experiment.yaml", "")
    writer.seal()
    return Record(folder)
