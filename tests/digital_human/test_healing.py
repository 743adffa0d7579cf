"""The stability controller: what it restarts, what it leaves alone, and what it says."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

import pytest

from tests.digital_human.system import System, eventually, http

STEPS = [
    "detected",
    "classified",
    "assessed",
    "alerted",
    "located",
    "repairing",
    "restarted",
    "verified",
    "repaired",
    "lesson",
]


def since(system: System, mark: int, instance: str) -> list[dict[str, Any]]:
    events = system.lines("controller_events")[mark:]
    return [event for event in events if event["instance"] == instance]


def repaired(system: System, mark: int, instance: str) -> list[dict[str, Any]]:
    """The events about an instance, once the last step of its repair is among them."""
    found = since(system, mark, instance)
    return found if "lesson" in {event["kind"] for event in found} else []


@pytest.mark.parametrize("instance", ["dialogue-1", "speech-1"])
def test_a_killed_copy_comes_back_on_its_port(system: System, instance: str) -> None:
    mark = len(system.lines("controller_events"))
    killed_ns = time.monotonic_ns()
    pid = system.send(instance, signal.SIGKILL)
    events = eventually(lambda: repaired(system, mark, instance))
    assert [event["kind"] for event in events] == STEPS
    assert {event["problem"] for event in events} == {"copy_dead"}
    assert events[-1]["cause"] == "killed by SIGKILL"
    assert killed_ns < events[0]["time_ns"] < events[-1]["time_ns"] < time.monotonic_ns()
    assert system.processes()[instance]["pid"] != pid
    url = system.state["services"][instance.replace("-", "_")]["url"]
    assert http("GET", f"{url}/health").status == 200


def test_a_hung_copy_is_killed_and_comes_back(system: System) -> None:
    mark = len(system.lines("controller_events"))
    pid = system.send("dialogue-2", signal.SIGSTOP)
    events = eventually(lambda: repaired(system, mark, "dialogue-2"))
    assert [event["kind"] for event in events] == ["suspected", *STEPS]
    assert {event["problem"] for event in events} == {"copy_hung"}
    assert events[-1]["cause"] == "stopped by a signal"
    assert system.processes()["dialogue-2"]["pid"] != pid


def test_a_copy_that_is_paused_for_a_moment_is_left_alone(system: System) -> None:
    mark = len(system.lines("controller_events"))
    pid = system.send("dialogue-1", signal.SIGSTOP)
    eventually(lambda: since(system, mark, "dialogue-1"))
    os.kill(pid, signal.SIGCONT)
    rounds = 2 * system.state["settings"]["healer"]["hung_after"]
    checked_rounds(system, rounds)
    assert [event["kind"] for event in since(system, mark, "dialogue-1")] == ["suspected"]
    assert system.processes()["dialogue-1"]["pid"] == pid


def checked_rounds(system: System, count: int) -> None:
    """Wait until the controller has looked at a copy so many times more."""
    url = f"{system.state['services']['speech_1']['url']}/metrics"

    def health_checks() -> float:
        lines = http("GET", url).content.splitlines()
        prefix = 'speech_requests_total{handler="health"'
        return sum(float(line.split()[-1]) for line in lines if line.startswith(prefix))

    before = health_checks()
    eventually(lambda: health_checks() >= before + count)


def test_a_copy_that_is_slow_through_its_proxy_is_left_alone(system: System) -> None:
    mark = len(system.lines("controller_events"))
    before = {name: process["pid"] for name, process in system.processes().items()}
    toxic = {"name": "slow", "type": "latency", "attributes": {"latency": 3_000}}
    for proxy in ("gateway-dialogue-1", "dialogue-1-speech"):
        url = f"{system.state['toxiproxy']['url']}/proxies/{proxy}/toxics"
        assert http("POST", url, toxic).status == 200
    checked_rounds(system, 2 * system.state["settings"]["healer"]["hung_after"])
    assert system.lines("controller_events")[mark:] == []
    assert {name: process["pid"] for name, process in system.processes().items()} == before


def test_what_it_knows_can_be_read_over_http(system: System) -> None:
    mark = len(system.lines("controller_events"))
    system.send("speech-1", signal.SIGKILL)
    eventually(lambda: repaired(system, mark, "speech-1"))
    url = system.state["controller"]["url"]
    events = http("GET", f"{url}/events").content["events"]
    assert [e["kind"] for e in events if e["instance"] == "speech-1"][-len(STEPS) :] == STEPS
    assert (
        http("GET", f"{url}/events?since={events[-2]['time_ns']}").content["events"] == events[-1:]
    )
    assert http("GET", f"{url}/events?since=soon").status == 400
    eventually(lambda: http("GET", f"{url}/state").content["copies"]["speech-1"]["healthy"])


def test_the_supervisor_records_ends_and_starts(system: System) -> None:
    mark = len(system.lines("supervisor_events"))
    system.send("speech-1", signal.SIGKILL)
    found = eventually(lambda: two(system.lines("supervisor_events")[mark:]))
    assert [(event["kind"], event["instance"]) for event in found] == [
        ("exited", "speech-1"),
        ("started", "speech-1"),
    ]
    assert found[0]["detail"] == "killed by SIGKILL"


def two(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return events if len(events) >= 2 else []
