"""The requests of a record: what is written is read back, and takes little room."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from sloproof.record.reader import Record
from sloproof.record.schema import NEVER, RequestKind
from sloproof.record.writer import REQUEST_COLUMNS, RecordWriter

MS = 1_000_000
KINDS = [RequestKind("p", "/", "GET", "/")]


def written(folder: Path, *batches: dict[str, NDArray[Any]]) -> Record:
    writer = RecordWriter(folder)
    writer.event(0, "run.started", run="r", experiment="e")
    writer.requests(batches, KINDS, [""])
    writer.seal()
    return Record(folder)


def batch(count: int, **columns: Any) -> dict[str, NDArray[Any]]:
    return {
        name: np.asarray(columns.get(name, np.zeros(count)), dtype=kind)
        for name, kind in REQUEST_COLUMNS.items()
    }


def read(record: Record, name: str) -> list[int]:
    parts: Iterator[NDArray[Any]] = (each[name] for each in record.requests([name]))
    return [int(value) for part in parts for value in part]


TIMES = st.lists(st.integers(-(2**63), NEVER), min_size=1, max_size=300)


@given(TIMES)
@settings(deadline=None, max_examples=50)
def test_any_times_come_back_as_they_were(times: list[int]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        record = written(Path(folder) / "r", batch(len(times), intended=times, finished=times))
        assert read(record, "intended") == read(record, "finished") == times


def test_what_never_came_stays_so_between_what_did(tmp_path: Path) -> None:
    finished = [5, NEVER, 7, NEVER, NEVER, 2**40]
    arrivals = [2**32 - 1, 0, 2**32 - 1, 0, 1, 2]
    record = written(tmp_path / "r", batch(6, finished=finished, arrival=arrivals))
    assert read(record, "finished") == finished
    assert read(record, "arrival") == arrivals


def test_requests_are_counted_without_being_read(tmp_path: Path) -> None:
    record = written(tmp_path / "r", batch(3), batch(4))
    assert record.request_count == 7
    writer = RecordWriter(tmp_path / "none")
    writer.event(0, "run.started", run="r", experiment="e")
    writer.seal()
    assert Record(tmp_path / "none").request_count == 0


def test_a_request_takes_a_dozen_bytes(tmp_path: Path) -> None:
    """Three times that differ by microseconds to seconds, and the rest hardly anything.

    Latencies that spread over a second have 30 bits, lateness of a millisecond 20: 7 bytes.
    """
    chance = np.random.default_rng(1)
    count = 100_000
    due = np.arange(count) * MS
    sent = due + chance.integers(0, MS, count)
    finished = sent + chance.integers(0, 1000 * MS, count)
    rows = batch(count, intended=due, sent=sent, finished=finished, arrival=np.arange(count))
    record = written(tmp_path / "r", rows)
    assert (record.folder / "requests.parquet").stat().st_size < 12 * count
