"""What a client sees of a running system, and what its logs say about it."""

from __future__ import annotations

import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.digital_human.system import System, eventually, http


def upstream(system: System, request_id: str) -> list[dict[str, Any]]:
    return [
        line
        for line in system.lines("gateway_log")
        if line["request_id"] == request_id and line["kind"] == "upstream"
    ]


def test_a_conversation(system: System) -> None:
    session = system.session()
    shown = http("GET", f"{system.url}/sessions/{session}")
    assert (shown.status, shown.content["id"]) == (200, session)
    turn = http("POST", f"{system.url}/sessions/{session}/turns", {"text": "How are you?"})
    assert turn.status == 200
    assert set(turn.content) == {"reply", "speech", "degraded"}
    assert turn.content["speech"].startswith("/speech/")
    feedback = {"satisfaction": 5, "completed": True, "accurate": True, "solved": False}
    thanks = http("POST", f"{system.url}/sessions/{session}/feedback", feedback)
    assert thanks.status == 200


def test_any_copy_knows_any_session(system: System) -> None:
    session = system.session()
    for copy in ("dialogue_1", "dialogue_2"):
        url = system.state["services"][copy]["url"]
        assert http("GET", f"{url}/sessions/{session}").status == 200


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("turns", b"", 400),
        ("turns", b"{", 400),
        ("turns", b"[" * 60_000, 400),
        ("turns", b"\xff\xfe", 400),
        ("turns", b"[]", 400),
        ("turns", b"{}", 400),
        ("turns", b'{"text": 1}', 400),
        ("turns", b'{"text": "  "}', 400),
        ("turns", b'{"text": "\\ud800"}', 400),
        ("turns", b'{"text": "' + b"a" * 5_000 + b'"}', 400),
        ("turns", b'{"text": "' + b"a" * 70_000 + b'"}', 413),
        ("feedback", b"{}", 400),
        ("feedback", b'{"satisfaction": 6}', 400),
        ("feedback", b'{"satisfaction": [5]}', 400),
        ("feedback", b'{"satisfaction": true}', 400),
        ("feedback", b'{"satisfaction": 5, "solved": "yes"}', 400),
        ("nothing", b"{}", 404),
    ],
)
def test_malformed_input_is_the_clients_error(
    system: System, path: str, body: bytes, status: int
) -> None:
    answer = http("POST", f"{system.url}/sessions/{system.session()}/{path}", body)
    assert answer.status == status
    assert answer.content["error"]["status"] == status
    assert answer.content["error"]["message"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/sessions/nobody", 404),
        ("POST", "/sessions/nobody/turns", 404),
        ("PUT", "/sessions", 405),
    ],
)
def test_what_is_not_there_is_not_found(
    system: System, method: str, path: str, status: int
) -> None:
    answer = http(method, system.url + path, {"text": "hello"})
    assert (answer.status, answer.content["error"]["status"]) == (status, status)


def test_turns_are_spread_over_both_copies(system: System) -> None:
    marks = system.marks(["calls_dialogue_1", "calls_dialogue_2"])
    session = system.session()
    for _ in range(20):
        http("POST", f"{system.url}/sessions/{session}/turns", {"text": "hello"})
    answered = {file: len(system.lines(file)) - mark for file, mark in marks.items()}
    assert sum(answered.values()) == 20
    assert min(answered.values()) >= 9


def test_a_request_can_be_followed_through_every_log(system: System) -> None:
    request_id = str(uuid.uuid4())
    system.turn(request_id=request_id)
    (attempt,) = eventually(lambda: upstream(system, request_id))
    assert (attempt["attempt"], attempt["status"], attempt["flags"]) == ("1", 200, "-")
    assert attempt["upstream"] in {link["listen"] for link in system.state["links"].values()}
    calls = [
        call
        for copy in ("dialogue_1", "dialogue_2")
        for call in system.lines(f"calls_{copy}")
        if call["parent"] == request_id
    ]
    assert len(calls) == 1
    assert calls[0]["finished_ns"] > calls[0]["sent_ns"]
    instance = calls[0].pop("instance").replace("-", "_")
    assert calls[0].pop("upstream") == system.state["links"][f"{instance}_speech"]["listen"]
    del calls[0]["finished_ns"], calls[0]["sent_ns"]
    assert calls[0] == {
        "from": "dialogue",
        "to": "speech",
        "parent": request_id,
        "attempt": 1,
        "status": 200,
        "outcome": "ok",
        "breaker": "closed",
    }


def test_speech_fails_and_costs_as_it_is_told(system: System) -> None:
    url = system.state["services"]["speech_1"]["url"]
    default = http("GET", f"{url}/control").content
    assert default == {"failure_rate": 0.0, "status": 503, "cost_ms": 5.0}
    system.control_speech(failure_rate=1, status=500)
    assert http("POST", f"{url}/speak", {"text": "hello"}).status == 500
    assert http("PUT", f"{url}/control", {"failure_rate": 2}).status == 400
    assert http("DELETE", f"{url}/control").content == default
    assert http("POST", f"{url}/speak", {"text": "hello"}).status == 200


@pytest.mark.parametrize("service", ["dialogue_1", "dialogue_2", "speech_1", "controller"])
def test_every_service_tells_its_metrics(system: System, service: str) -> None:
    known = {**system.state["services"], "controller": system.state["controller"]}
    url = known[service]["url"]
    assert http("GET", f"{url}/health").status == 200
    text = http("GET", f"{url}/metrics").content
    name = service.partition("_")[0]
    for metric in (
        "process_cpu_seconds_total",
        "process_resident_memory_bytes",
        f"{name}_requests_total",
        f"{name}_request_duration_seconds_bucket",
    ):
        assert metric in text


def test_the_gateway_carries_many_at_once(system: System) -> None:
    session = system.session()
    url = f"{system.url}/sessions/{session}/turns"
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda n: http("POST", url, {"text": f"{n}"}), range(300)))
    assert Counter(answer.status for answer in answers) == {200: 300}
