from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sloproof.record.reader import Record
from sloproof.record.schema import RequestOutcome
from sloproof.record.writer import RecordWriter
from sloproof.report import series, states
from sloproof.report.figures import FaultFigures
from tests.report import sample


@pytest.fixture(scope="session")
def record(slow_speech: Path) -> Record:
    return Record(slow_speech)


@pytest.fixture(scope="session")
def traffic(record: Record) -> series.Traffic:
    found = series.traffic(record, series.axis(record), [(0, 60), (0, 10), (10, 22)])
    assert found is not None
    return found


def columns(record: Record) -> dict[str, Any]:
    batches = list(record.requests(["intended", "finished", "outcome"]))
    return {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}


def test_time_counts_from_the_end_of_warm_up(record: Record) -> None:
    assert series.axis(record) == series.Axis(sample.BEGIN, -5.0, 60.0)


def test_every_request_is_counted_once(record: Record, traffic: series.Traffic) -> None:
    raw = columns(record)
    bins = traffic.bins
    assert bins.offered.sum() == bins.latencies.sum() == len(raw["intended"])
    assert bins.failed.sum() == bins.latencies[:, -1].sum() == (raw["outcome"] != 0).sum()
    late = (raw["outcome"] == 0) & (raw["finished"] >= sample.END)
    assert bins.answered.sum() == (raw["outcome"] == 0).sum() - late.sum()


def test_windows_count_exactly_what_was_due_in_them(
    record: Record, traffic: series.Traffic
) -> None:
    raw = columns(record)
    due, bad = raw["intended"] - sample.BEGIN, raw["outcome"] != 0
    for stretch, (begin, end) in zip(traffic.windows, [(0, 60), (0, 10), (10, 22)], strict=True):
        inside = (due >= begin * sample.S) & (due < end * sample.S)
        assert (stretch.offered, stretch.failed) == (inside.sum(), (inside & bad).sum())


def test_failures_are_named_the_commonest_first(traffic: series.Traffic) -> None:
    assert [(how, error) for how, error, _ in traffic.failures] == [
        (RequestOutcome.ERROR, "HTTP 503 upstream overloaded"),
        (RequestOutcome.TIMEOUT, "timed out"),
    ]


@given(
    st.lists(st.floats(1e-5, 900) | st.just(np.inf), min_size=1, max_size=300),
    st.sampled_from([0.5, 0.9, 0.99, 1.0]),
)
def test_a_drawn_quantile_is_within_a_bucket_of_the_true_one(took: list[float], q: float) -> None:
    due = np.zeros(len(took), dtype=np.int64)
    good = np.isfinite(took)
    finished = np.where(good, np.array(took) * 1e9, 0).round().astype(np.int64)
    counts = np.bincount(series._bucket(due, finished, good), minlength=series.FINITE + 1)
    true = np.sort(took)[max(int(np.ceil(q * len(took))), 1) - 1]
    drawn = float(series.quantile(counts, q))
    assert drawn == pytest.approx(true, rel=series.GROWTH - 1, abs=1e-9)


@given(st.integers(0, 10**8), st.floats(1, 1e5))
def test_there_are_never_too_many_bins(requests: int, span: float) -> None:
    assert span / series.bin_width(span, requests) <= series.MOST_BINS * 1.01


@settings(max_examples=20)
@given(st.integers(1, 500))
def test_merged_bins_lose_nothing(traffic: series.Traffic, most: int) -> None:
    merged = traffic.bins.merged(most)
    assert len(merged.offered) <= most
    assert merged.offered.sum() == traffic.bins.offered.sum()
    assert (merged.latencies.sum(axis=0) == traffic.bins.latencies.sum(axis=0)).all()


def test_a_probe_is_down_from_its_first_bad_sample_to_its_next_good_one(record: Record) -> None:
    health = states.probes(record, series.axis(record))[0]
    assert [(each.state, each.begin_s, each.end_s) for each in health.stretches] == [
        ("up", -4, 11),
        ("down", 11, 13),
        ("up", 13, 60),
    ]


def test_a_flapping_probe_is_drawn_with_few_stretches(tmp_path: Path) -> None:
    writer = RecordWriter(tmp_path / "r")
    sample.write_events(writer, "flapping", "slow")
    due = np.arange(sample.BEGIN, sample.END, 10_000_000)
    good = np.arange(len(due)) % 2 == 0
    writer.table(
        "probes",
        {
            "probe": ["p"] * len(due),
            "intended": due.tolist(),
            "sent": due.tolist(),
            "finished": due.tolist(),
            "ok": good.tolist(),
            "value": [0.0] * len(due),
            "detail": [""] * len(due),
        },
    )
    writer.close()
    found = Record(writer.folder)
    (strip,) = states.probes(found, series.axis(found))
    assert len(strip.stretches) <= states.MOST_STRETCHES
    assert {each.state for each in strip.stretches} == {"now and then"}


def test_what_comes_after_the_end_is_in_no_bin_and_no_total(tmp_path: Path) -> None:
    """The load goes on for a moment while the run is put back."""
    whole = sample.record(tmp_path / "r", count=6500)
    on = series.axis(whole)
    shorter = series.Axis(on.origin_ns, on.begin_s, 15.25)
    found = series.traffic(whole, shorter, [])
    assert found is not None
    due = columns(whole)["intended"]
    inside = due[(due >= shorter.ns(0)) & (due < shorter.ns(15.25))]
    assert found.whole.offered == len(inside)
    assert found.bins.offered.sum() == (due < shorter.ns(15.25)).sum()
    assert sum(count for _, _, count in found.failures) == found.whole.failed > 0


@pytest.mark.parametrize("end", [15.0, 15.02, 15.25, 15.9, 59.99])
def test_the_end_of_the_axis_makes_no_spike_in_the_rate(record: Record, end: float) -> None:
    on = series.Axis(sample.BEGIN, -5, end)
    found = series.traffic(record, on, [])
    assert found is not None
    for bins in (found.bins, found.bins.merged(10)):
        due, _ = series.rates(bins, end)
        # 100/s evenly spaced: a bin's edges can add or take one request each.
        assert due[-1] == pytest.approx(100, abs=2 / (bins.width_s / 2))


def test_a_sliver_at_the_end_is_counted_with_the_bin_before() -> None:
    """Five requests in the last 20 ms of a bin of half a second are no 250/s."""
    counts = np.array([50, 50, 5], dtype=np.int64)
    nothing = np.zeros((3, series.FINITE + 1), dtype=np.int64)
    bins = series.Bins(0.0, 0.5, counts, counts * 0, counts, nothing)
    due, answered = series.rates(bins, 1.02)
    assert due.tolist() == answered.tolist() == pytest.approx([100, 55 / 0.52, 55 / 0.52])
    assert series.rates(bins, 1.3)[0][-1] == pytest.approx(5 / 0.3)


def test_witnesses_are_drawn_as_the_fault_that_they_saw(tmp_path: Path) -> None:
    names = ("dialogue-health", "witness:delay:x:kept", "neighbour:gone:y", "witness:of-mine")
    writer = RecordWriter(tmp_path / "r")
    sample.write_events(writer, "e", "slow")
    sample.write_probes(writer, names)
    plan = {"probes": [], "kept": [names[1]]}
    writer.event(
        sample.END, "effect.planned", number=5, witness=plan, neighbours=[{"probes": names[2:3]}]
    )
    writer.seal()
    found = Record(tmp_path / "r")
    drawn = [strip.name for strip in states.probes(found, series.axis(found))]
    assert drawn == ["dialogue-health", "witness:of-mine"]


def test_breakers_step_through_their_states(record: Record) -> None:
    first, second = states.breakers(record, series.axis(record))
    assert (first.name, second.name) == ("dialogue-1 → speech", "dialogue-2 → speech")
    assert [each.state for each in first.stretches] == [
        "closed",
        "open",
        "half-open",
        "open",
        "half-open",
        "closed",
    ]


def test_faults_are_drawn_as_injected_where_nothing_was_measured(record: Record) -> None:
    assert states.faults(record, series.axis(record), ()) == (states.Stretch("slow", 10, 22),)


def test_a_fault_is_drawn_where_it_was_for_certain_and_where_it_may_have_been(
    record: Record,
) -> None:
    on = series.axis(record)
    seen = [FaultFigures("slow", 1, began_s=(10.0, 10.9), ended_s=(21.5, 22.1))]
    assert states.faults(record, on, seen) == (states.Stretch("slow", 10.9, 21.5),)
    assert states.faults(record, on, seen, widest=True) == (states.Stretch("slow", 10.0, 22.1),)
