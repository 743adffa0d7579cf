"""What happens to clients when speech or a copy of dialogue goes away."""

from __future__ import annotations

import signal
import time
from typing import Any

from tests.digital_human.system import System, eventually, http

CALLS = "calls_dialogue_1"
CHANGES = "breaker_events_dialogue_1"
THRESHOLD = 5


def new(system: System, file: str, mark: int) -> list[dict[str, Any]]:
    return system.lines(file)[mark:]


def test_without_speech_people_get_text(system: System) -> None:
    system.cut("dialogue_1_speech")
    system.cut("dialogue_2_speech")
    for _ in range(20):
        answer = system.turn()
        assert answer.status == 200
        assert answer.content["reply"]
        assert (answer.content["speech"], answer.content["degraded"]) == (None, ["speech"])


def test_the_breaker_opens_at_the_threshold_and_then_sends_nothing(system: System) -> None:
    mark, changes = len(system.lines(CALLS)), len(system.lines(CHANGES))
    system.cut("dialogue_1_speech")
    began = time.monotonic()
    for _ in range(THRESHOLD + 5):
        assert system.turn_at("dialogue_1").status == 200
    # Else a trial call may rightly be among them.
    assert time.monotonic() - began < system.state["settings"]["breaker"]["recovery_timeout"]
    calls = new(system, CALLS, mark)
    assert all(call["outcome"] in {"refused", "reset"} for call in calls[:THRESHOLD])
    rejected = calls[THRESHOLD:]
    assert [call["outcome"] for call in rejected] == ["rejected"] * 5
    assert all(call["sent_ns"] == call["finished_ns"] for call in rejected)
    assert all(call["breaker"] == "open" for call in rejected)
    (opened,) = new(system, CHANGES, changes)
    assert (opened["previous"], opened["state"]) == ("closed", "open")
    assert calls[THRESHOLD - 1]["finished_ns"] <= opened["time_ns"] <= rejected[0]["sent_ns"]


def test_the_breaker_closes_after_a_trial_call(system: System) -> None:
    changes = len(system.lines(CHANGES))
    system.cut("dialogue_1_speech")
    for _ in range(THRESHOLD):
        system.turn_at("dialogue_1")
    system.cut("dialogue_1_speech", cut=False)
    eventually(lambda: system.turn_at("dialogue_1").content["degraded"] == [])
    found = new(system, CHANGES, changes)
    assert [change["state"] for change in found] == ["open", "half_open", "closed"]
    waited = (found[1]["time_ns"] - found[0]["time_ns"]) / 1e9
    assert waited >= system.state["settings"]["breaker"]["recovery_timeout"]


def test_the_state_of_the_breaker_is_a_metric(system: System) -> None:
    labels = '{from="dialogue",instance="dialogue-1",to="speech"}'

    def shown() -> str:
        return str(http("GET", f"{system.state['services']['dialogue_1']['url']}/metrics").content)

    assert f"circuit_breaker_state{labels} 0.0" in shown()
    system.cut("dialogue_1_speech")
    for _ in range(THRESHOLD):
        system.turn_at("dialogue_1")
    assert f"circuit_breaker_state{labels} 1.0" in shown()


def test_slow_speech_is_a_time_out_and_not_an_endless_wait(system: System) -> None:
    mark = len(system.lines(CALLS))
    system.control_speech(cost_ms=5_000)
    answer = system.turn_at("dialogue_1")
    assert answer.content["degraded"] == ["speech"]
    (call,) = new(system, CALLS, mark)
    assert call["outcome"] == "timeout"
    took = (call["finished_ns"] - call["sent_ns"]) / 1e9
    # The event loop's timers are a millisecond or two early at times.
    assert 0.29 <= took < 5


def test_failing_speech_counts_against_it(system: System) -> None:
    mark = len(system.lines(CALLS))
    system.control_speech(failure_rate=1)
    for _ in range(THRESHOLD):
        system.turn_at("dialogue_1")
    calls = new(system, CALLS, mark)
    assert [(call["status"], call["outcome"]) for call in calls] == [(503, "error")] * THRESHOLD
    assert system.lines(CHANGES)[-1]["state"] == "open"


def test_a_killed_copy_costs_clients_no_failure(system: System) -> None:
    session = system.session()
    system.send("dialogue-1", signal.SIGKILL)
    answers = [
        http("POST", f"{system.url}/sessions/{session}/turns", {"text": f"{n}"}) for n in range(40)
    ]
    assert {answer.status for answer in answers} == {200}


def test_a_retry_is_an_attempt_of_its_own_at_the_other_copy(system: System) -> None:
    mark = len(system.lines("gateway_log"))
    session = system.session()
    system.cut("gateway_dialogue_1")
    for _ in range(4):
        assert http("POST", f"{system.url}/sessions/{session}/turns", {"text": "hi"}).status == 200

    def retried() -> list[dict[str, Any]]:
        lines = [x for x in new(system, "gateway_log", mark) if x["kind"] == "upstream"]
        return [line for line in lines if line["attempt"] == "2"]

    second = eventually(retried)[0]
    attempts = [
        line
        for line in new(system, "gateway_log", mark)
        if line["kind"] == "upstream" and line["request_id"] == second["request_id"]
    ]
    assert [line["status"] for line in attempts] == [0, 200]
    links = system.state["links"]
    assert [line["upstream"] for line in attempts] == [
        links["gateway_dialogue_1"]["listen"],
        links["gateway_dialogue_2"]["listen"],
    ]


def test_a_paused_copy_costs_clients_time_and_no_failure(system: System) -> None:
    session = system.session()
    system.send("dialogue-2", signal.SIGSTOP)
    answers = [
        http("POST", f"{system.url}/sessions/{session}/turns", {"text": f"{n}"}) for n in range(40)
    ]
    assert {answer.status for answer in answers} == {200}
