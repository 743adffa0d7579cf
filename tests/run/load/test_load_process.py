"""The real load process, with a real server that misbehaves on purpose."""

from __future__ import annotations

import os
import resource
import signal
import socket
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import psutil
import pytest

from sloproof.record.schema import NEVER, RequestKind, RequestOutcome
from sloproof.run.load.pieces import SECOND
from sloproof.run.load.process import LoadState
from sloproof.run.load.rows import BLOCK
from sloproof.run.load.spec import Part
from tests.run.load.conftest import Scripted, Start, getting, profile

MS = 1_000_000
SHAPE = "class S(LoadTestShape):\n    def tick(self): return None"


def test_every_planned_arrival_is_made_once_and_numbered(start: Start) -> None:
    load = start(rate=200).begin().stop(3)
    rows = load.rows()
    assert sorted(rows["arrival"]) == list(range(600))
    order = np.argsort(rows["arrival"])
    assert rows["intended"][order].tolist() == [n * 5 * MS for n in range(600)]
    assert (rows["sent"] >= rows["intended"]).all()
    assert (rows["finished"] > rows["sent"]).all()
    assert set(rows["status"]) == {200}
    assert set(rows["size"]) == {12}
    found = load.engine.requests(load.began)
    assert found.kinds == [RequestKind("profile", "/items/*", "GET", "/items/*")]
    assert found.facts.planned == found.facts.arrivals == 600
    assert load.engine.delivered is not None
    assert load.engine.delivered.started == 600
    assert load.child.wait() == 0


def test_a_stall_shows_in_full_from_the_intended_times(start: Start, server: Scripted) -> None:
    rate, seconds, stalled = 200, 5, 2.0
    load = start(rate=rate, slots=600).ready()
    load.begin(ahead=0.3)
    server.stall = (load.began / SECOND + 1, load.began / SECOND + 1 + stalled)
    rows = load.stop(seconds).rows()
    latency = np.sort(rows["finished"] - rows["intended"]) / SECOND
    assert len(latency) == rate * seconds
    # Who came x seconds into the stall waited 2 - x: the 1 % that waited longest are ten of 1,000.
    rank = int(np.ceil(0.99 * len(latency))) - 1
    truth = stalled - (len(latency) - rank - 1) / rate
    assert latency[rank] == pytest.approx(truth, rel=0.05)
    assert (rows["outcome"] == RequestOutcome.OK).all()


def test_an_arrival_that_finds_every_slot_waiting_is_a_failed_request(
    start: Start, server: Scripted
) -> None:
    load = start(rate=100, slots=5, timeout_ns=20 * SECOND).ready()
    load.begin(ahead=0.3)
    server.stall = (load.began / SECOND + 1, load.began / SECOND + 3)
    rows = load.stop(2.5).rows()
    refused = rows["outcome"] == RequestOutcome.NO_SLOT
    assert len(rows["arrival"]) == 250
    assert (rows["outcome"][~refused] == RequestOutcome.OK).all()
    # All that came in the stall but the five that wait, give or take who was late on a busy host.
    assert refused.sum() == pytest.approx(145, abs=15)
    assert (rows["finished"][refused] == NEVER).all()
    kinds = load.engine.requests(load.began).kinds
    assert {kinds[code].path for code in rows["kind"][refused]} == {"/items/*"}
    assert load.engine.requests(load.began).facts.no_slot == refused.sum()


def test_no_slot_before_anything_was_learned_bears_the_profiles_name(start: Start) -> None:
    load = start(getting("/hang"), rate=100, slots=1, timeout_ns=SECOND).begin().stop(0.5)
    rows = load.rows()
    kinds = load.engine.requests(0).kinds
    refused = rows["outcome"] == RequestOutcome.NO_SLOT
    assert {kinds[code] for code in rows["kind"][refused]} == {
        RequestKind("profile", "profile", "", "*")
    }


@pytest.mark.parametrize("kind", ["FastHttpUser", "HttpUser"])
@pytest.mark.parametrize("path", ["/hang", "/drip"])
def test_every_request_has_its_time_out_without_the_profiles_doing(
    start: Start, kind: str, path: str
) -> None:
    load = start(getting(path, kind), rate=10, timeout_ns=300 * MS).begin().stop(1)
    rows = load.rows()
    assert len(rows["sent"]) == 10
    assert set(rows["outcome"]) == {RequestOutcome.TIMEOUT}
    took = rows["finished"] - rows["sent"]
    # A busy host only ever adds to it.
    assert 300 * MS <= min(took) < 390 * MS
    assert load.engine.requests(0).errors == ["", "timed out"]


@pytest.mark.parametrize("kind", ["FastHttpUser", "HttpUser"])
def test_bad_statuses_judged_answers_and_crashed_tasks_are_errors(start: Start, kind: str) -> None:
    text = f"""
from locust import {kind}, task

class U({kind}):
    @task
    def t(self):
        self.client.get("/status/503", name="bad")
        with self.client.get("/judged", catch_response=True) as answer:
            answer.failure("no speech")
        with self.client.get("/status/404", name="fine", catch_response=True) as answer:
            answer.success()
        with self.client.get("/crashed", catch_response=True) as answer:
            answer.json()["nothing"]
"""
    load = start(text, rate=10).begin().stop(1)
    rows = load.rows()
    found = load.engine.requests(0)
    seen = {
        (found.kinds[k].name, RequestOutcome(o), int(s), found.errors[e])
        for k, o, s, e in zip(
            *(rows[c] for c in ("kind", "outcome", "status", "error")), strict=True
        )
    }
    assert seen == {
        ("bad", RequestOutcome.ERROR, 503, "HTTP 503"),
        ("/judged", RequestOutcome.ERROR, 200, "no speech"),
        ("fine", RequestOutcome.OK, 404, ""),
        ("/crashed", RequestOutcome.ERROR, 0, "KeyError: 'nothing'"),
    }
    assert found.facts.arrivals == 10
    later = np.array([found.kinds[k].name != "bad" for k in rows["kind"]])
    assert (rows["intended"][later] == rows["sent"][later]).all()
    assert load.engine.delivered is not None
    assert load.engine.delivered.failed_tasks == 10
    assert "KeyError" in load.engine.delivered.last_error


def test_a_refused_connection_is_an_error_at_once(start: Start) -> None:
    load = start(rate=20, host="http://127.0.0.1:1").begin().stop(0.5)
    assert set(load.rows()["outcome"]) == {RequestOutcome.ERROR}
    assert load.engine.requests(0).errors == ["", "ConnectionRefusedError: Connection refused"]


def test_stopping_lets_finish_what_is_under_way_and_owns_up_to_the_rest(
    start: Start, server: Scripted
) -> None:
    load = start(rate=20, slots=100, timeout_ns=SECOND).ready()
    load.begin(ahead=0.3)
    server.stall = (load.began / SECOND + 0.5, load.began / SECOND + 1.4)
    rows = load.stop(1).rows()
    assert len(rows["sent"]) == 20
    assert set(rows["outcome"]) == {RequestOutcome.OK}


def test_what_never_ends_is_unfinished(start: Start) -> None:
    load = (
        start(profile("gevent.sleep(60)", "User"), rate=10, timeout_ns=200 * MS).begin().stop(0.5)
    )
    rows = load.rows()
    assert rows["outcome"].tolist() == [RequestOutcome.UNFINISHED] * 5
    assert (rows["finished"] == NEVER).all()
    assert load.engine.delivered is not None
    assert load.engine.delivered.unfinished == 5


def test_a_sequence_is_one_arrival_and_its_users_have_started_before(
    start: Start, server: Scripted
) -> None:
    text = """
from locust import HttpUser, SequentialTaskSet, between, task

class Buy(SequentialTaskSet):
    def on_start(self):
        self.client.get("/enter")
    @task
    def look(self):
        self.client.get("/look")
    @task
    def pay(self):
        self.client.post("/pay", json={"coin": self.user.environment.parsed_options.coin})

class U(HttpUser):
    wait_time = between(5, 9)
    tasks = [Buy]
    def on_start(self):
        self.client.get("/login")
"""
    load = start(text, rate=20, slots=4, options={"coin": "penny"}).ready()
    assert sorted(server.seen) == ["GET /enter"] * 4 + ["GET /login"] * 4
    assert load.engine.notices == [
        "profile: U.wait_time is ignored: the experiment says when arrivals come"
    ]
    rows = load.begin().stop(1).rows()
    assert sorted(rows["arrival"]) == sorted([*range(20)] * 2)
    assert server.seen.count("GET /look") == server.seen.count("POST /pay") == 20
    assert len(server.seen) == 48


def test_shares_of_the_mix_are_met_closely(start: Start, tmp_path: Path, server: Scripted) -> None:
    parts = []
    for name, share in (("a", Fraction(7, 10)), ("b", Fraction(3, 10))):
        path = tmp_path / f"{name}.py"
        path.write_text(getting(f"/{name}"))
        parts.append(Part(name, str(path), share))
    start(rate=200, mix=tuple(parts)).begin().stop(1)
    assert server.seen.count("GET /a") == pytest.approx(140, abs=2)
    assert len(server.seen) == 200


def test_the_first_request_of_an_arrival_is_the_one_sent_first(start: Start) -> None:
    nested = """with self.client.get("/outer", catch_response=True):
            self.client.get("/inner")"""
    load = start(profile(nested), rate=20).begin().stop(1)
    rows = load.rows()
    kinds = load.engine.requests(0).kinds
    first = np.array([kinds[code].path == "/outer" for code in rows["kind"]])
    assert first.sum() == 20
    assert (rows["intended"][first] % (50 * MS) == 0).all()
    assert (rows["intended"][~first] == rows["sent"][~first]).all()


def test_very_many_users_keep_their_connections(start: Start, server: Scripted) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 4096:
        pytest.skip("this process may not hold that many connections")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 4096), hard))
    greet = "def on_start(self): self.client.get('/hello')"
    load = start(profile("self.client.get('/again')", more=greet), rate=300, slots=1500).ready()
    assert server.connections == 1500
    rows = load.begin().stop(2).rows()
    assert len(rows["sent"]) == 600
    assert server.connections == 1500


def test_headers_reach_every_request(start: Start, server: Scripted) -> None:
    text = """
from locust import FastHttpUser, HttpUser, task

class A(FastHttpUser):
    @task
    def t(self):
        self.client.get("/fast" + self.client.get("/").request.headers["x-who"])

class B(HttpUser):
    @task
    def t(self):
        self.client.get("/plain" + self.client.get("/").request.headers["x-who"])
"""
    start(text, rate=20, headers={"x-who": "me"}).begin().stop(1)
    assert {"GET /fastme", "GET /plainme"} <= set(server.seen)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("import nothing_like_this", "does not import: ModuleNotFoundError"),
        ("raise SystemExit(3)", "ends the process"),
        ("x = 1", "has no user class"),
        ("from locust import User\nclass U(User):\n    pass", "the user class U has no task"),
        (f"from locust import LoadTestShape\n{SHAPE}", "has a LoadTestShape (S)"),
        (
            profile("pass", "User", "def on_start(self): raise ValueError('no key')"),
            "no U could start: ValueError: no key",
        ),
    ],
)
@pytest.mark.parametrize("workers", [1, 2])
def test_a_bad_profile_is_told_with_its_reason(
    start: Start, text: str, error: str, workers: int
) -> None:
    load = start(text, workers=workers)
    load.until(lambda: load.engine.state() is LoadState.FAILED)
    assert error in load.engine.error
    assert load.child.wait() != 0


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


def _lives(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_a_generator_that_stood_still_says_so(start: Start) -> None:
    load = start(rate=100, slots=200).begin()
    load.until(lambda: time.monotonic_ns() > load.began + SECOND // 2)
    os.kill(load.child.pid, signal.SIGSTOP)
    paused = time.monotonic_ns()
    load.until(lambda: time.monotonic_ns() > paused + SECOND)
    os.kill(load.child.pid, signal.SIGCONT)
    rows = load.stop(2).rows()
    assert sorted(rows["arrival"]) == list(range(200))
    facts = load.engine.requests(load.began).facts
    assert facts.late >= 90
    assert facts.no_slot == 0
    assert facts.lateness_p99_ns > 900 * MS


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


def test_the_conversation_opens_a_new_session_for_a_lost_one(
    start: Start, server: Scripted
) -> None:
    from sloproof.run.load.profiles import builtin_profiles

    path = builtin_profiles() / "conversation.py"
    server.answers = {"/sessions/s1/turns": 404}
    mix = (Part("conversation", str(path), Fraction(1)),)
    load = start(rate=50, mix=mix, slots=2).ready()
    assert server.seen == ["POST /sessions"] * 2
    load.begin().stop(2)
    turns = server.seen.count("POST /sessions/s1/turns")
    assert turns > 50
    assert server.seen.count("POST /sessions") >= turns
    names = {kind.name for kind in load.engine.requests(0).kinds}
    assert {"/sessions/[id]/turns", "/sessions"} <= names


def test_live_figures_follow_the_load(start: Start) -> None:
    load = start(rate=100).begin()
    load.until(lambda: load.engine.live().arrivals >= 100)
    figures = load.engine.live()
    assert figures.error_ratio == 0
    assert figures.p50_ns is not None
    assert figures.rate > 0
    recent = load.engine.since(load.began)
    assert len(recent) > 50
    assert recent.failed == 0
    assert recent.count(lambda rows, _: np.asarray(rows["status"] == 200)) == len(recent)
    load.stop(1)
