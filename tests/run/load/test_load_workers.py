"""Several load processes, and what is left of one that is killed."""

from __future__ import annotations

import socket
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import psutil
import pytest

from sloproof.record.schema import RequestKind, RequestOutcome
from sloproof.run.load.process import LoadState
from sloproof.run.load.rows import BLOCK
from sloproof.run.load.spec import Part
from tests.run.load.conftest import Scripted, Start, getting

MS = 1_000_000


def test_a_killed_generator_loses_at_most_its_last_block(start: Start, server: Scripted) -> None:
    load = start(rate=300).begin()
    load.until(lambda: len(server.seen) > 600)
    load.child.kill()
    load.child.wait()
    kept = int((load.rows()["outcome"] == RequestOutcome.OK).sum())
    # Blocks go out five times a second, or when they are full.
    assert len(server.seen) - BLOCK <= kept <= len(server.seen)
    assert kept > 300
    assert not load.engine.requests(0).facts.finished_normally


@pytest.mark.parametrize("workers", [1, 2])
def test_the_load_dies_with_its_engine(start: Start, tmp_path: Path, workers: int) -> None:
    load = start(workers=workers).ready()
    load.child.kill()
    load.child.wait()
    code = (
        "import subprocess, sys\n"
        "child = subprocess.Popen(sys.argv[1:])\n"
        "print(child.pid, flush=True)\n"
        "child.wait()"
    )
    (load.engine.folder / "status.jsonl").unlink()
    engine = subprocess.Popen(
        [sys.executable, "-c", code, *load.engine.argv()], stdout=subprocess.PIPE, text=True
    )
    assert engine.stdout is not None
    with engine.stdout as stream:
        child = psutil.Process(int(stream.readline()))
    status = load.engine.folder / "status.jsonl"
    load.until(lambda: status.is_file() and '"ready"' in status.read_text())
    family = [child, *child.children(recursive=True)]
    assert len(family) == (1 if workers == 1 else 3)
    engine.kill()
    engine.wait()
    load.until(lambda: not any(_lives(process) for process in family))


def test_a_worker_whose_master_is_gone_already_does_not_begin(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sloproof.run.load", "--worker", "--parent", "1"]
    done = subprocess.run([*command, tmp_path], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "the parent died" in done.stderr


def _lives(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_two_workers_make_every_arrival_once_between_them(start: Start) -> None:
    load = start(rate=200, workers=2).begin(ahead=0.5).stop(2)
    rows = load.rows()
    assert sorted(rows["arrival"]) == list(range(400))
    order = np.argsort(rows["arrival"])
    assert rows["intended"][order].tolist() == [n * 5 * MS for n in range(400)]
    files = sorted(path.name for path in load.engine.folder.glob("requests-*.bin"))
    assert files == ["requests-0.bin", "requests-1.bin"]
    sizes = {path.stat().st_size for path in load.engine.folder.glob("requests-*.bin")}
    assert len(sizes) == 1
    facts = load.engine.requests(load.began).facts
    assert (facts.planned, facts.started, facts.clock_error_ns) == (400, 400, 0)
    assert load.child.wait() == 0


def test_a_lost_worker_is_a_failed_load(start: Start) -> None:
    load = start(rate=50, workers=2).begin(ahead=0.5)
    load.until(lambda: load.engine.live().arrivals > 0)
    psutil.Process(load.child.pid).children()[0].kill()
    load.until(lambda: load.engine.state() is LoadState.FAILED)
    assert "a worker of the load ended" in load.engine.error


ELSEWHERE = """
import locust, sys, time
real = time.monotonic_ns
time.monotonic_ns = lambda: real() + 10**12
from sloproof.run.load import worker
worker.boot_id = lambda: "another host's"
sys.exit(worker.work("127.0.0.1", int(sys.argv[1]), None))
"""


def test_a_worker_elsewhere_sends_its_rows_and_says_how_far_its_clock_is(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    load = start(rate=100, remote_workers=1, bind=f"127.0.0.1:{port}")
    far = subprocess.Popen([sys.executable, "-c", ELSEWHERE, str(port)])
    try:
        rows = load.ready().begin(ahead=0.5).stop(1).rows()
        assert far.wait(30) == 0
    finally:
        far.kill()
        far.wait()
    assert sorted(rows["arrival"]) == list(range(100))
    found = load.engine.requests(load.began)
    assert found.kinds == [RequestKind("profile", "/items/*", "GET", "/items/*")]
    assert 0 < found.facts.clock_error_ns < 100 * MS
    # Its clock is 1,000 s ahead; what remains of that is within the error it gives.
    off = rows["intended"] - rows["arrival"].astype("int64") * 10 * MS
    assert abs(off).max() <= found.facts.clock_error_ns


def test_a_worker_elsewhere_keeps_files_of_one_name_apart(start: Start, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    parts = []
    for name in ("buyers", "sellers"):
        file = tmp_path / name / "locustfile.py"
        file.parent.mkdir()
        file.write_text(getting(f"/{name}"))
        parts.append(Part("locustfile", str(file), Fraction(1, 2)))
    load = start(rate=50, workers=0, remote_workers=1, bind=f"127.0.0.1:{port}", mix=tuple(parts))
    far = subprocess.Popen([sys.executable, "-c", ELSEWHERE, str(port)])
    try:
        load.ready().begin(ahead=0.5).stop(1)
        assert far.wait(30) == 0
    finally:
        far.kill()
        far.wait()
    kinds = load.engine.requests(load.began).kinds
    assert {kind.path for kind in kinds} == {"/buyers", "/sellers"}
