"""The file of samples: what a kill may cost, what is torn, what the record gets."""

from __future__ import annotations

import math
from pathlib import Path

import pyarrow as pa
import pytest

from sloproof.contracts import Sample
from sloproof.errors import ProberError
from sloproof.record.writer import RecordWriter
from sloproof.run.probing.samples import (
    KEPT_PER_PROBE,
    SampleWriter,
    Tail,
    Taken,
    probe_columns,
    read_samples,
    signal_columns,
    without,
)

GOOD = '["api",10,11,19,true,0.008,""]\n'
BAD = '["api",20,21,29,false,null,"refused"]\n'
ROWS = [
    Taken("api", 10, 11, 19, True, 0.008, ""),
    Taken("api", 20, 21, 29, False, None, "refused"),
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "samples.jsonl"


def test_samples_are_read_as_they_were_written(path: Path) -> None:
    writer = SampleWriter(path)
    writer.add("api", (10, 11, 19), Sample(ok=True, value=0.008))
    writer.add("api", (20, 21, 29), Sample(ok=False, detail="refused"))
    writer.close()
    assert list(read_samples(path)) == ROWS
    assert path.read_text() == GOOD + BAD


def test_samples_reach_the_file_by_a_flush(path: Path) -> None:
    writer = SampleWriter(path)
    writer.add("api", (10, 11, 19), Sample(ok=True, value=0.008))
    assert list(read_samples(path)) == []
    writer.flush()
    assert list(read_samples(path)) == ROWS[:1]
    writer.close()


def test_a_torn_last_line_is_left_out(path: Path) -> None:
    for cut in range(len(BAD)):
        path.write_text(GOOD + BAD[:cut])
        assert list(read_samples(path)) == ROWS[:1]


def test_a_broken_line_elsewhere_is_named(path: Path) -> None:
    path.write_text(GOOD + "[\n" + BAD)
    with pytest.raises(ProberError, match=r"samples\.jsonl:2: not a sample"):
        list(read_samples(path))


def test_no_file_is_no_samples(path: Path) -> None:
    assert list(read_samples(path)) == []
    assert Tail(path).recent("api") == []


def test_the_tail_gives_what_is_new_and_waits_for_the_rest_of_a_line(path: Path) -> None:
    tail = Tail(path)
    path.write_text(GOOD + BAD[:7])
    assert tail.poll() == ROWS[:1]
    path.write_text(GOOD + BAD)
    assert tail.poll() == ROWS[1:]
    assert tail.poll() == []
    assert tail.recent("api") == ROWS
    assert tail.recent("api", since_ns=20) == ROWS[1:]
    assert tail.recent("other") == []


def test_the_tail_keeps_no_more_than_it_may(path: Path) -> None:
    path.write_text(GOOD * (KEPT_PER_PROBE + 5))
    assert len(Tail(path).recent("api")) == KEPT_PER_PROBE


def test_the_record_gets_columns_from_the_origin_on() -> None:
    columns = probe_columns(iter(ROWS), origin_ns=10)
    assert list(columns["intended"]) == [0, 10]
    assert list(columns["sent"]) == [1, 11]
    assert list(columns["finished"]) == [9, 19]
    assert columns["ok"] == [True, False]
    assert columns["value"][0] == 0.008
    assert math.isnan(columns["value"][1])
    assert columns["detail"] == ["", "refused"]


def test_the_columns_have_the_types_of_the_record(tmp_path: Path) -> None:
    writer = RecordWriter(tmp_path / "record")
    writer.table("probes", probe_columns(iter(ROWS), origin_ns=0))
    writer.close()
    schema = pa.parquet.read_schema(tmp_path / "record" / "probes.parquet")
    assert [str(kind) for kind in schema.types] == [
        "string", "int64", "int64", "int64", "bool", "double", "string",
    ]  # fmt: skip


def test_signals_come_out_with_their_labels_and_their_gaps() -> None:
    cpu = [
        Taken("cpu", 10, 11, 12, True, 0.5, ""),
        Taken("cpu", 20, 21, 22, False, None, "timeout"),
    ]
    columns = signal_columns(iter([*ROWS, *cpu]), 10, {"cpu": {"core": "0"}})
    assert columns["signal"] == ["cpu", "cpu"]
    assert list(columns["time"]) == [2, 12]
    assert columns["value"][0] == 0.5
    assert math.isnan(columns["value"][1])
    assert columns["labels"] == ['{"core": "0"}'] * 2
    assert list(without(iter([*ROWS, *cpu]), {"cpu"})) == ROWS
