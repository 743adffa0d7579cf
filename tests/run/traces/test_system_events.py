"""The target's own events, read while they come."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import pytest

from sloproof.errors import HarnessError
from sloproof.model.target import EventSource, Role
from sloproof.run.system_events import SystemEvent, SystemEvents
from sloproof.run.traces import Anchor

ORIGIN, WALL = 1_000, 5_000_000
ANCHOR = Anchor(ORIGIN, WALL, drift_ns=7)
ROLES: dict[Role, tuple[str, ...]] = {
    "detected": ("detected",),
    "action": ("repairing",),
    "breaker": ("breaker=open", "breaker=closed"),
}


class Log:
    """A file of events that grows."""

    def __init__(self, path: Path, clock: Literal["monotonic", "wall"] = "monotonic") -> None:
        self.path = path
        source = EventSource(name="healer", file=str(path), roles=ROLES, clock=clock)
        self.events = SystemEvents([source], ANCHOR)

    def write(self, text: str) -> None:
        with self.path.open("a") as file:
            file.write(text)

    def add(self, **data: Any) -> None:
        self.write(json.dumps(data) + "\n")


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path / "events.jsonl")


def test_an_event_has_its_role_and_keeps_the_rest(log: Log) -> None:
    log.add(
        kind="detected", problem="speech is down", instance="speech-1", time_ns=1_200, wall_ns=1
    )
    assert log.events.poll() == [
        SystemEvent(
            200, "healer", "speech-1", "detected", "detected", 0, {"problem": "speech is down"}
        )
    ]


@pytest.mark.parametrize(
    ("data", "event", "role"),
    [
        ({"kind": "repairing"}, "repairing", "action"),
        ({"kind": "breaker", "state": "open"}, "breaker=open", "breaker"),
        ({"kind": "breaker", "state": "half_open"}, "breaker=half_open", ""),
        ({"kind": "lesson"}, "lesson", ""),
    ],
)
def test_a_role_is_told_by_kind_or_by_kind_and_state(
    log: Log, data: dict[str, str], event: str, role: str
) -> None:
    log.add(**data, time_ns=ORIGIN)
    found = log.events.poll()[0]
    assert (found.event, found.role) == (event, role)


def test_events_come_once_and_whole(log: Log) -> None:
    assert log.events.poll() == []
    assert [source.name for source in log.events.missing()] == ["healer"]
    log.add(kind="detected", time_ns=1_200)
    log.write('{"kind": "repairing", "ti')
    assert [event.event for event in log.events.poll()] == ["detected"]
    assert log.events.poll() == []
    log.write('me_ns": 1300}\n')
    assert [event.event for event in log.events.poll()] == ["repairing"]
    assert log.events.missing() == []


def test_events_of_earlier_runs_are_left_out(log: Log) -> None:
    log.add(kind="detected", time_ns=ORIGIN - 1)
    assert log.events.poll() == []


def test_a_wall_clock_brings_its_error(tmp_path: Path) -> None:
    log = Log(tmp_path / "events.jsonl", clock="wall")
    log.add(kind="detected", time_ns=WALL + 50)
    log.add(kind="repairing", time_ns=3, wall_ns=WALL + 60)
    assert [(event.time, event.error_ns) for event in log.events.poll()] == [(50, 7), (60, 7)]


@pytest.mark.parametrize("text", ["what?\n", '{"kind": "detected"}\n', '{"time_ns": 5}\n'])
def test_a_line_that_is_no_event_is_named(log: Log, text: str) -> None:
    log.add(kind="detected", time_ns=1_200)
    log.write(text)
    with pytest.raises(HarnessError, match=r"events\.jsonl:2: "):
        log.events.poll()


def test_an_event_goes_into_the_record_as_plain_data(log: Log) -> None:
    log.add(kind="breaker", state="open", time_ns=1_200, to="speech", **{"from": "dialogue"})
    assert json.loads(json.dumps(log.events.poll()[0].data())) == {
        "time": 200,
        "source": "healer",
        "instance": "",
        "event": "breaker=open",
        "role": "breaker",
        "error_ns": 0,
        "detail": {"to": "speech", "from": "dialogue"},
    }
