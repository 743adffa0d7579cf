"""The real load process, with a real server that misbehaves on purpose."""

from __future__ import annotations

import os
import resource
import signal
import time

import numpy as np
import pytest

from sloproof.record.schema import NEVER, RequestKind, RequestOutcome
from sloproof.spec.pieces import SECOND
from tests.run.load.conftest import Scripted, Start, getting, profile

MS = 1_000_000


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
    # Reading 400 answers at once keeps nobody waiting who comes then: nearly all start on time.
    assert load.engine.requests(load.began).facts.late < len(latency) / 20
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
