"""Writes by HTTP against a server that misbehaves on purpose."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sloproof.model.addressing import HttpCall
from sloproof.record.schema import WriteOutcome
from sloproof.run.ledger.http_writer import HttpWriter, filled
from sloproof.run.ledger.writing import Fate
from sloproof.testing import Answer, How, ScriptedServer
from tests.run.ledger.stage import MS, order, staged

ACK, FAILED, OPEN, UNSENT = WriteOutcome
GRACE_S = 3
"""So long after SIGTERM it would be killed."""


def call(server: ScriptedServer, method: Any = "POST") -> HttpCall:
    return HttpCall(method=method, url=f"{server.url}/w/{{id}}", json={"n": "{sequence}"})


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as found:
        yield found


def written(wanted: Any, sequence: int = 3) -> Fate:
    async def write() -> Fate:
        writer = HttpWriter(wanted, wanted.http)
        try:
            return await writer.write(sequence, f"run-1-{sequence:06d}")
        finally:
            await writer.close()

    return asyncio.run(write())


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (200, ACK),
        (201, ACK),
        (204, ACK),
        (303, OPEN),
        (400, FAILED),
        (409, FAILED),
        (408, OPEN),
        (429, FAILED),
        (500, OPEN),
        (503, OPEN),
    ],
)
def test_what_an_answer_says_of_a_write(
    server: ScriptedServer, status: int, outcome: WriteOutcome
) -> None:
    server.change(Answer(status=status, body=b""))
    found = written(order({}, http=call(server)))
    assert found.outcome is outcome
    assert found.detail == ("" if outcome is ACK else f"status {status}")


@pytest.mark.parametrize(
    ("how", "outcome", "detail"),
    [
        (How.REFUSE, FAILED, "refused"),
        (How.CLOSE, OPEN, "closed"),
        (How.RESET, OPEN, "reset"),
        (How.SILENT, OPEN, "timeout"),
    ],
)
@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_only_what_was_never_sent_has_certainly_failed(
    server: ScriptedServer, how: How, outcome: WriteOutcome, detail: str, method: str
) -> None:
    server.change(how=how)
    found = written(order({}, http=call(server, method), timeout_ns=300 * MS))
    assert found == Fate(outcome, detail)
    assert len(server.served) == (0 if how is How.REFUSE else 1), "no write is sent twice"


def test_a_write_carries_its_id(server: ScriptedServer) -> None:
    written(order({}, http=call(server)))
    assert [served.path for served in server.served] == ["/w/run-1-000003"]


def test_what_stands_alone_keeps_its_type() -> None:
    values = {"id": "x-1", "sequence": 1}
    data = {"id": "{id}", "deep": [{"n": "{sequence}"}, "no. {sequence}"], "n": 5}
    assert filled(data, values) == {"id": "x-1", "deep": [{"n": 1}, "no. 1"], "n": 5}


def test_a_hanging_system_takes_every_slot_and_the_rest_is_not_sent(
    tmp_path: Path, server: ScriptedServer
) -> None:
    wanted = order({}, http=call(server), slots=4, timeout_ns=2000 * MS)
    with staged(tmp_path, wanted) as stage:
        server.change(how=How.SILENT)
        stage.begin()
        stage.wait_for(UNSENT, 20)
        stage.end(read=False)
        rows = stage.rows()
    assert [row.sequence for row in rows] == list(range(len(rows)))
    assert len(server.served) <= sum(row.outcome is OPEN for row in rows)
    assert {row.outcome for row in rows} == {OPEN, UNSENT}


def test_writes_keep_their_times_however_slow_the_system_is(
    tmp_path: Path, server: ScriptedServer
) -> None:
    with staged(tmp_path, order({}, http=call(server))) as stage:
        begun = stage.begin()
        stage.acknowledged(50)
        stage.end(read=False)
        rows = stage.rows()
    assert [row.intended for row in rows] == [begun + n * 10 * MS for n in range(len(rows))]


def test_a_killed_ledger_has_noted_every_acknowledgement(
    tmp_path: Path, server: ScriptedServer
) -> None:
    with staged(tmp_path, order({}, http=call(server))) as stage:
        stage.begin()
        stage.acknowledged(40)
        stage.process.kill()
        stage.process.wait()
        rows = stage.rows()
        with pytest.raises(Exception, match="its process died"):
            stage.ledger.state()
    noted = {f"/w/run-1-{row.sequence:06d}" for row in rows}
    answered = {served.path for served in server.served}
    assert answered <= noted, "each write was noted before it was sent"


@pytest.mark.parametrize("finished", [True, False], ids=["done", "writing"])
def test_a_ledger_that_is_told_to_end_does_so_at_once(
    tmp_path: Path, server: ScriptedServer, finished: bool
) -> None:
    with staged(tmp_path, order({}, http=call(server))) as stage:
        stage.begin()
        stage.acknowledged(1)
        if finished:
            stage.end(read=False)
        assert stage.process.poll() is None, "it is the engine that ends it"
        stage.process.terminate()
        stage.process.wait(GRACE_S)
