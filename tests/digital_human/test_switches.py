"""With a mechanism switched off, what it prevents happens."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.digital_human.system import System, eventually, http, run

Start = Callable[..., System]


@pytest.fixture
def start(state_path: Path) -> Iterator[Start]:
    systems = []

    def starting(*overrides: str) -> System:
        systems.append(System(state_path, *overrides))
        return systems[-1]

    yield starting
    for system in systems:
        system.stop()


def test_without_a_breaker_every_call_goes_out(start: Start) -> None:
    system = start("breaker=off")
    system.cut("dialogue_1_speech")
    for _ in range(20):
        assert system.turn_at("dialogue_1").content["degraded"] == ["speech"]
    outcomes = [call["outcome"] for call in system.lines("calls_dialogue_1")]
    assert len(outcomes) == 20
    assert "rejected" not in outcomes
    assert system.lines("breaker_events_dialogue_1") == []


def test_without_retries_a_cut_copy_shows(start: Start) -> None:
    system = start("retry=off", "health_check=off", "outlier_detection=off", "healer=off")
    session = system.session()
    system.cut("gateway_dialogue_1")
    answers = [
        http("POST", f"{system.url}/sessions/{session}/turns", {"text": "hi"}).status
        for _ in range(10)
    ]
    assert sorted(set(answers)) == [200, 503]
    assert answers.count(503) == 5


def test_without_a_healer_a_killed_copy_stays_dead_until_asked_for(start: Start) -> None:
    system = start("healer=off")
    system.send("dialogue-1", signal.SIGKILL)
    events = eventually(lambda: two_events(system))
    assert [event["kind"] for event in events] == ["detected", "failed"]
    assert system.processes()["dialogue-1"]["ending"] == "killed by SIGKILL"
    assert system.turn().status == 200
    done = run("restart", "dialogue-1", "--state", str(system.path))
    assert done.returncode == 0, done.stderr
    url = system.state["services"]["dialogue_1"]["url"]
    eventually(lambda: answers(url))


def two_events(system: System) -> list[dict[str, str]]:
    events = system.lines("controller_events")
    return events if len(events) >= 2 else []


def answers(url: str) -> bool:
    try:
        return http("GET", f"{url}/health").status == 200
    except OSError:
        return False


def test_a_copy_that_dies_again_and_again_is_given_up(start: Start) -> None:
    system = start("healer.max_restarts=2", "healer.backoff=100ms", "healer.check_interval=100ms")

    def kill_again() -> bool:
        process = system.processes()["speech-1"]
        if process["running"]:
            system.send("speech-1", signal.SIGKILL)
        return "gave_up" in {event["kind"] for event in system.lines("controller_events")}

    eventually(kill_again, within=40)
    events = system.lines("controller_events")
    assert sum(event["kind"] == "restarted" for event in events) == 2
    assert events[-2]["detail"] == "its restarts are used up: 2 in 60 s"
    assert not system.processes()["speech-1"]["running"]
    state = http("GET", f"{system.state['controller']['url']}/state").content
    assert state["copies"]["speech-1"]["given_up"]
