from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from sloproof.record.reader import Record
from sloproof.record.schema import NEVER, RequestKind, RequestOutcome
from sloproof.record.writer import REQUEST_COLUMNS, RecordWriter
from sloproof.run.load.clocks import ClockOffset, Ping, offset_of, spanning
from sloproof.run.load.live import LiveTail
from sloproof.run.load.records import DTYPE, WorkerFiles, read_requests
from sloproof.run.load.rows import BLOCK, MOST_ERRORS, MOST_KINDS, ROW, FolderSink, Row, RowWriter

MS = 1_000_000
TURN = RequestKind("conversation", "turn", "POST", "/sessions/*/turns")
OPEN = RequestKind("conversation", "open", "POST", "/sessions")


def row(at: int, took: int = 10 * MS, kind: int = 0, **more: object) -> Row:
    made = Row(at, at + MS, at + took, 0, kind, RequestOutcome.OK)
    for name, value in more.items():
        setattr(made, name, value)
    return made


def write(
    folder: Path, worker: int, rows: list[Row], kinds: tuple[RequestKind, ...] = (TURN,)
) -> None:
    writer = RowWriter(FolderSink(folder, worker))
    for kind in kinds:
        writer.kind(kind)
    for each in rows:
        writer.write(each)
    writer.flush()


def test_the_row_on_disk_is_what_numpy_reads() -> None:
    assert DTYPE.itemsize == ROW.size


def test_all_workers_rows_come_back_on_one_clock_with_one_set_of_codes(tmp_path: Path) -> None:
    write(tmp_path, 0, [row(1000 * MS), row(1020 * MS, kind=1, arrival=2)], (TURN, OPEN))
    write(tmp_path, 1, [row(5010 * MS, kind=0, arrival=1), row(5030 * MS, finished=NEVER)], (OPEN,))
    (tmp_path / "clock-1.json").write_text('{"offset_ns": 4000000000, "error_ns": 70000}')
    found = read_requests(tmp_path, 1000 * MS)
    assert found.kinds == [TURN, OPEN]
    first, second = found.batches()
    assert set(first) == set(REQUEST_COLUMNS)
    assert first["intended"].tolist() == [0, 20 * MS]
    assert second["intended"].tolist() == [10 * MS, 30 * MS]
    assert second["finished"].tolist() == [20 * MS, NEVER]
    assert first["kind"].tolist() == [0, 1]
    assert second["kind"].tolist() == [1, 1]
    assert found.facts.clock_error_ns == 70_000
    assert found.facts.requests == 4


def test_a_torn_last_row_is_left_out(tmp_path: Path) -> None:
    write(tmp_path, 0, [row(at) for at in range(10)])
    path = tmp_path / "requests-0.bin"
    os.truncate(path, path.stat().st_size - 5)
    assert sum(len(batch["sent"]) for batch in read_requests(tmp_path, 0).batches()) == 9
    tail = LiveTail(tmp_path)
    tail.advance(0)
    assert len(tail.since(0)) == 9


def test_the_facts_count_arrivals_and_measure_how_late_they_were(tmp_path: Path) -> None:
    rows = [row(at * MS, arrival=at) for at in range(100)]
    rows += [row(7, first=False), row(200 * MS, sent=250 * MS, late=True)]
    rows += [row(300 * MS, outcome=RequestOutcome.NO_SLOT, finished=NEVER)]
    write(tmp_path, 0, rows)
    facts = read_requests(tmp_path, 0).facts
    assert (facts.requests, facts.arrivals, facts.late, facts.no_slot) == (103, 102, 1, 1)
    assert facts.lateness_p99_ns == MS
    assert facts.lateness_max_ns == 50 * MS
    assert not facts.finished_normally
    (tmp_path / "status.jsonl").write_text('{"is":"done","planned":102,"started":101}\n')
    assert read_requests(tmp_path, 0).facts.planned == 102


def test_rows_go_out_in_whole_blocks(tmp_path: Path) -> None:
    writer = RowWriter(FolderSink(tmp_path, 0))
    for at in range(BLOCK + 5):
        writer.write(row(at))
    assert (tmp_path / "requests-0.bin").stat().st_size == BLOCK * ROW.size
    writer.flush()
    assert (tmp_path / "requests-0.bin").stat().st_size == (BLOCK + 5) * ROW.size


def test_kinds_and_errors_stay_few_however_many_a_system_makes_up(tmp_path: Path) -> None:
    writer = RowWriter(FolderSink(tmp_path, 0))
    kinds = {writer.kind(RequestKind("p", f"n{i}", "GET", f"/{i}x")) for i in range(5000)}
    letters = "abcdefghijklmnopqrstuvwxyz"
    errors = {writer.error(f"error {a}{b}{c}") for a in letters for b in letters for c in "abc"}
    assert len(kinds) <= MOST_KINDS + 1
    assert len(errors) <= MOST_ERRORS + 1
    assert writer.error("") == 0
    found = read_requests(tmp_path, 0)
    assert len(found.kinds) == len(kinds)
    assert max(errors) < len(found.errors)


def test_what_was_read_makes_a_record(tmp_path: Path) -> None:
    write(tmp_path, 0, [row(1000 * MS, error=0, status=200, size=12)])
    found = read_requests(tmp_path, 1000 * MS)
    writer = RecordWriter(tmp_path / "record")
    writer.event(0, "run.started", run="r")
    assert writer.requests(found.batches(), found.kinds, found.errors) == 1
    writer.seal()
    record = Record(tmp_path / "record")
    (batch,) = record.requests(["intended", "status", "size"])
    assert [int(batch[name][0]) for name in batch] == [0, 200, 12]
    assert record.request_kinds == [TURN]


def test_the_live_tail_reads_on_and_forgets_what_is_old(tmp_path: Path) -> None:
    tail = LiveTail(tmp_path, keep_ns=1000 * MS)
    tail.advance(0)
    assert tail.live(0).error_ratio is None
    writer = RowWriter(FolderSink(tmp_path, 0))
    writer.kind(TURN)
    for at in range(100):
        writer.write(row(at * 10 * MS))
    writer.flush()
    tail.advance(1000 * MS)
    assert len(tail.since(0)) == 100
    assert len(tail.since(500 * MS)) == 51
    failed = row(1500 * MS, finished=NEVER, outcome=RequestOutcome.NO_SLOT)
    for each in (failed, row(1600 * MS)):
        writer.write(each)
    writer.flush()
    tail.advance(2001 * MS)
    assert len(tail.since(0)) == 2
    figures = tail.live(2000 * MS, over_ns=1000 * MS)
    assert figures.rate == 2
    assert figures.error_ratio == 0.5
    assert figures.p50_ns == 10 * MS
    assert figures.p99_ns is None
    assert tail.since(0).count(lambda rows, _: np.asarray(rows["outcome"] == 0)) == 1


def test_the_first_live_rate_is_over_the_time_since_the_load_began(tmp_path: Path) -> None:
    tail = LiveTail(tmp_path)
    writer = RowWriter(FolderSink(tmp_path, 0))
    writer.kind(TURN)
    for at in range(20):
        writer.write(row(60_000 * MS + at * 50 * MS))
    writer.flush()
    tail.advance(61_000 * MS)
    assert tail.live(61_000 * MS, begun=60_000 * MS).rate == 20


def test_the_quickest_answer_tells_the_clock() -> None:
    ahead = 5_000_000
    slow = Ping(ahead + 0, 900, ahead + 1000)
    quick = Ping(ahead + 2000, 2040, ahead + 2100)
    found = offset_of([slow, quick])
    assert found.error_ns == 50
    assert abs(found.offset_ns - ahead) <= found.error_ns


def test_a_drift_between_two_looks_at_the_clock_widens_its_error() -> None:
    found = spanning(ClockOffset(100, 5), ClockOffset(160, 7))
    assert found.offset_ns - found.error_ns <= 95
    assert found.offset_ns + found.error_ns >= 167


@pytest.mark.parametrize("module", ["process", "records", "live", "spec", "schedule", "profiles"])
def test_the_engines_side_never_imports_locust(module: str) -> None:
    code = f"import json, sys, sloproof.run.load.{module}; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert {"locust", "gevent", "pandas", "pyarrow"}.isdisjoint(json.loads(done.stdout))


def test_a_row_that_is_being_written_is_the_next_readings(tmp_path: Path) -> None:
    write(tmp_path, 0, [row(at * MS, kind=at % 2) for at in range(4)], (TURN, OPEN))
    path = tmp_path / "requests-0.bin"
    whole = path.read_bytes()
    path.write_bytes(whole[: 2 * ROW.size + 7])
    reading = WorkerFiles(tmp_path, 0).batches(1000)
    first = next(reading)
    path.write_bytes(whole)  # the rest comes while somebody reads
    assert [len(first), *map(len, reading)] == [2]
    rest = list(WorkerFiles(tmp_path, 0).batches(1000, 2))
    assert [each["intended"].tolist() for each in rest] == [[2 * MS, 3 * MS]]
