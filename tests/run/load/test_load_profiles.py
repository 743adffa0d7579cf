"""Profiles of all kinds, good and bad, in the real load process."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from sloproof.record.schema import RequestOutcome
from sloproof.run.load.process import LoadState
from sloproof.run.load.spec import Part
from tests.run.load.conftest import Scripted, Start, getting, profile

MS = 1_000_000
SHAPE = "class S(LoadTestShape):\n    def tick(self): return None"


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


@pytest.mark.parametrize("kind", ["FastHttpUser", "HttpUser"])
def test_what_was_never_answered_is_no_success_whatever_a_profile_says(
    start: Start, kind: str
) -> None:
    text = f"""
from locust import {kind}, task

class U({kind}):
    @task
    def t(self):
        with self.client.get("http://127.0.0.1:1/", name="gone", catch_response=True) as answer:
            answer.success()
"""
    load = start(text, rate=10).begin().stop(1)
    rows = load.rows()
    assert set(rows["outcome"].tolist()) == {RequestOutcome.ERROR}
    assert load.engine.requests(0).errors[int(rows["error"][0])]


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
