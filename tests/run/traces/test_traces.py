"""Calls from what a target writes: Envoy's log as it really looks, and lines of its own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sloproof.errors import HarnessError
from sloproof.model.target import TraceSource
from sloproof.record.schema import Call
from sloproof.run.traces import Anchor, Calls, read_calls

ORIGIN = 2_288_000_000_000
WALL = 1_795_476_247_000_000_000
ANCHOR = Anchor(ORIGIN, WALL, drift_ns=-40_000)
ADDRESSES = {
    "127.0.0.1:38845": ("dialogue", "dialogue-1"),
    "127.0.0.1:34369": ("dialogue", "dialogue-2"),
}


# As Envoy 1.40 wrote them: a request whose first try met a 503 and whose second met nobody.
def upstream(**change: Any) -> dict[str, Any]:
    return {
        "attempt": 0, "duration_ms": 54, "flags": "-", "kind": "upstream", "method": "GET",
        "path": "/x", "request_id": "17fc", "span_us": None, "start": "1795476247.877392000",
        "status": 503, "upstream": "127.0.0.1:38845", "user_agent": "Python-urllib/3.11",
        **change,
    }  # fmt: skip


def downstream(**change: Any) -> dict[str, Any]:
    return upstream(kind="downstream", attempt=3, duration_ms=315, status=200, **change)


RETRIED = [
    upstream(),
    upstream(
        duration_ms=0, flags="UF", start="1795476247.955805000", status=0, upstream="10.0.0.9:1"
    ),
    upstream(
        duration_ms=52, span_us=52275, start="1795476248.140506000", status=200,
        upstream="127.0.0.1:34369",
    ),
    downstream(),
]  # fmt: skip


def call(**change: Any) -> dict[str, Any]:
    return {
        "from": "dialogue", "to": "speech", "instance": "dialogue-1", "parent": "17fc",
        "attempt": 1, "sent_ns": ORIGIN + 5, "finished_ns": ORIGIN + 9, "status": 200,
        "outcome": "ok", "breaker": "closed", **change,
    }  # fmt: skip


def source(path: Path, form: str) -> TraceSource:
    return TraceSource(format=form, file=str(path), source="gateway", to="dialogue")  # type: ignore[arg-type]


def read(tmp_path: Path, form: str, *lines: dict[str, Any] | str) -> Calls:
    path = tmp_path / "calls.log"
    texts = [line if isinstance(line, str) else json.dumps(line) + "\n" for line in lines]
    path.write_text("".join(texts))
    return read_calls([source(path, form)], ANCHOR, ADDRESSES)


def test_each_attempt_through_envoy_is_a_call(tmp_path: Path) -> None:
    first, second, third = read(tmp_path, "envoy", *RETRIED).rows
    assert first == Call(
        source="gateway",
        target="dialogue",
        source_instance="",
        target_instance="dialogue-1",
        parent="17fc",
        attempt=1,
        sent=877_392_000,
        finished=877_392_000 + 54_000_000,
        status=503,
        outcome="error",
        breaker="",
        origin="calls.log",
        error_ns=1_040_000,
    )
    assert (second.attempt, second.outcome, second.status) == (2, "refused", 0)
    assert (second.target, second.target_instance) == ("dialogue", "")
    assert (third.attempt, third.outcome, third.target_instance) == (3, "ok", "dialogue-2")


def test_attempts_are_counted_by_request(tmp_path: Path) -> None:
    others = [upstream(request_id="other"), *RETRIED, upstream(request_id="other"), upstream()]
    rows = read(tmp_path, "envoy", *others).rows
    by_request: dict[str, list[int]] = {}
    for row in rows:
        by_request.setdefault(row.parent, []).append(row.attempt)
    assert by_request == {"other": [1, 2], "17fc": [1, 1, 2, 3]}


@pytest.mark.parametrize(
    ("flags", "status", "outcome"),
    [
        ("-", 200, "ok"),
        ("-", 301, "ok"),
        ("-", 404, "error"),
        ("-", 503, "error"),
        ("-", 0, "error"),
        (None, 200, "ok"),
        ("UF", 503, "refused"),
        ("UF,URX", 503, "refused"),
        ("UT", 504, "timeout"),
        ("UC", 503, "reset"),
        ("UR", 503, "reset"),
        ("DC", 0, "error"),
    ],
)
def test_envoys_flags_say_how_a_call_ended(
    tmp_path: Path, flags: str | None, status: int, outcome: str
) -> None:
    assert read(tmp_path, "envoy", upstream(flags=flags, status=status)).rows[0].outcome == outcome


@pytest.mark.parametrize(
    ("start", "sent", "error_ns"),
    [
        ("1795476247.877392000", 877_392_000, 1_040_000),
        ("1795476247", 0, 1_000_040_000),
        ("2026-11-23T23:24:07.877Z", 877_000_000, 1_040_000),
        ("2026-11-23T23:24:07.87Z", 870_000_000, 10_040_000),
    ],
)
def test_the_error_covers_the_clock_and_the_logs_resolution(
    tmp_path: Path, start: str, sent: int, error_ns: int
) -> None:
    row = read(tmp_path, "envoy", upstream(start=start)).rows[0]
    assert (row.sent, row.error_ns) == (sent, error_ns)


def test_lines_of_a_service_are_calls_as_they_stand(tmp_path: Path) -> None:
    rejected = call(status=0, outcome="rejected", breaker="open", sent_ns=ORIGIN + 6)
    first, second = read(tmp_path, "json-lines", call(), rejected).rows
    assert first == Call(
        "dialogue", "speech", "dialogue-1", "", "17fc", 1, 5, 9, 200, "ok", "closed", "calls.log", 0
    )
    assert (second.outcome, second.breaker, second.sent) == ("rejected", "open", 6)


def test_a_line_may_leave_out_what_the_source_says(tmp_path: Path) -> None:
    line = {"sent_ns": ORIGIN, "finished_ns": ORIGIN, "upstream": "127.0.0.1:38845", "status": 500}
    row = read(tmp_path, "json-lines", line).rows[0]
    assert (row.source, row.target, row.target_instance) == ("gateway", "dialogue", "dialogue-1")
    assert (row.outcome, row.attempt) == ("error", 1)


def test_calls_of_all_sources_come_by_time(tmp_path: Path) -> None:
    (tmp_path / "envoy.log").write_text(json.dumps(upstream()) + "\n")
    (tmp_path / "calls.jsonl").write_text(
        json.dumps(call(sent_ns=ORIGIN + 900_000_000)) + "\n" + json.dumps(call()) + "\n"
    )
    sources = [
        source(tmp_path / "envoy.log", "envoy"),
        source(tmp_path / "calls.jsonl", "json-lines"),
    ]
    found = read_calls(sources, ANCHOR, ADDRESSES)
    assert [row.origin for row in found.rows] == ["calls.jsonl", "envoy.log", "calls.jsonl"]
    assert found.missing == []


@pytest.mark.parametrize(
    ("form", "line"),
    [
        ("envoy", upstream(start="1795476246.999999999")),
        ("envoy", upstream(user_agent="sloproof-witness")),
        ("envoy", downstream()),
        ("json-lines", call(sent_ns=ORIGIN - 1)),
        ("json-lines", call(user_agent="sloproof-witness")),
    ],
    ids=["earlier run", "witness", "no call", "earlier run", "witness"],
)
def test_lines_that_are_not_of_this_run_are_left_out(
    tmp_path: Path,
    form: str,
    line: dict[str, Any],
) -> None:
    assert read(tmp_path, form, line).rows == []


def test_a_torn_last_line_is_left_out(tmp_path: Path) -> None:
    assert len(read(tmp_path, "json-lines", call(), json.dumps(call())).rows) == 1


@pytest.mark.parametrize(
    ("form", "line"),
    [
        ("envoy", "not json\n"),
        ("envoy", "[1]\n"),
        ("envoy", upstream(start="noon")),
        ("envoy", upstream(duration_ms=None)),
        ("envoy", {"path": "/"}),
        ("json-lines", {"from": "dialogue"}),
        ("json-lines", call(outcome="fine")),
    ],
)
def test_a_line_that_is_none_is_named(
    tmp_path: Path,
    form: str,
    line: dict[str, Any] | str,
) -> None:
    good = upstream() if form == "envoy" else call()
    with pytest.raises(HarnessError, match=r"calls\.log:2: "):
        read(tmp_path, form, good, line, good)


def test_a_missing_file_is_reported(tmp_path: Path) -> None:
    missing = source(tmp_path / "none.log", "envoy")
    found = read_calls([missing], ANCHOR, ADDRESSES)
    assert found.rows == []
    assert [note.source for note in found.missing] == [missing]
    assert "none.log" in found.missing[0].reason
