"""The scripted server: what it says that it did is what its clients saw."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from http.client import BadStatusLine, HTTPConnection, RemoteDisconnected

import pytest

from sloproof.contracts import Duration
from sloproof.testing import Act, Answer, How, ScriptedServer

LONG = Duration.parse("1h")
NOW = Duration(0)
PATIENCE = 10


def ask(server: ScriptedServer, path: str = "/", *, timeout: float = PATIENCE) -> tuple[int, bytes]:
    connection = HTTPConnection("127.0.0.1", server.port, timeout=timeout)
    try:
        connection.request("POST", path, body=b"x" * 10)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def acting(how: How, **answer: object) -> Act:
    return Act(begin=NOW, end=LONG, how=how, answer=Answer(**answer))  # type: ignore[arg-type]


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as found:
        yield found


def test_without_a_script_it_answers_as_usual_and_remembers_who_asked(
    server: ScriptedServer,
) -> None:
    assert ask(server, "/a") == (200, b"ok")
    server.change(Answer(status=404, body=b"none"))
    assert ask(server, "/b") == (404, b"none")
    assert [(one.method, one.path, one.status) for one in server.served] == [
        ("POST", "/a", 200),
        ("POST", "/b", 404),
    ]


def test_a_kept_connection_gets_each_answer_in_turn(server: ScriptedServer) -> None:
    with socket.create_connection(("127.0.0.1", server.port), PATIENCE) as connection:
        connection.sendall(b"GET /1 HTTP/1.1\r\n\r\nGET /2 HTTP/1.1\r\n\r\n")
        seen = b""
        while seen.count(b"ok") < 2:
            seen += connection.recv(4096)
    assert [one.path for one in server.served] == ["/1", "/2"]


@pytest.mark.parametrize(
    ("how", "error"),
    [
        (How.CLOSE, (RemoteDisconnected, BadStatusLine)),
        (How.RESET, ConnectionResetError),
        (How.SILENT, TimeoutError),
    ],
)
def test_an_act_is_what_its_clients_meet(how: How, error: type[Exception]) -> None:
    with ScriptedServer(acting(how)) as server:
        assert ask(server)[0] == 200
        server.begin()
        with pytest.raises(error):
            ask(server, timeout=0.3)
        assert server.served[-1].answered is None


def test_an_answer_is_as_late_as_the_script_says() -> None:
    with ScriptedServer(acting(How.ANSWER, delay=Duration.parse("50ms"), status=503)) as server:
        server.begin()
        assert ask(server)[0] == 503
    [served] = server.served
    assert served.answered is not None
    # Never early; how late is the machine's affair, and known from the server's own times.
    assert served.answered - served.received >= 50_000_000


def test_who_comes_while_it_hangs_is_answered_when_it_goes_on() -> None:
    hang = Act(begin=NOW, end=Duration.parse("300ms"), how=How.HANG)
    with ScriptedServer(hang) as server:
        zero = server.begin()
        assert ask(server)[0] == 200
        assert time.monotonic_ns() >= zero + hang.end.ns
        assert ask(server)[0] == 200
        [happened] = server.happened()
    assert happened.began == (zero, zero)
    assert happened.ended == (zero + hang.end.ns,) * 2


@pytest.mark.truth
def test_when_the_port_was_closed_is_known_between_two_moments() -> None:
    """A client that connects as fast as it can sees nothing that contradicts them."""
    cut = Act(begin=Duration.parse("100ms"), end=Duration.parse("300ms"), how=How.REFUSE)
    seen: list[tuple[int, int, bool]] = []
    over = threading.Event()

    def connect() -> None:
        while not over.is_set():
            begun = time.monotonic_ns()
            try:
                socket.create_connection(("127.0.0.1", script.port), PATIENCE).close()
                made = True
            except ConnectionRefusedError:
                made = False
            seen.append((begun, time.monotonic_ns(), made))
            time.sleep(0.001)

    with ScriptedServer(cut) as script:
        client = threading.Thread(target=connect)
        client.start()
        script.begin()
        deadline = time.monotonic() + PATIENCE
        while not script.happened():
            assert time.monotonic() < deadline
            time.sleep(0.005)
        while not seen[-1][2]:
            assert time.monotonic() < deadline
            time.sleep(0.005)
        over.set()
        client.join()
        [happened] = script.happened()
    refused = [(begun, ended) for begun, ended, made in seen if not made]
    assert refused
    assert min(ended for _, ended in refused) >= happened.began[0]
    assert max(begun for begun, _ in refused) <= happened.ended[1]
    # Whoever connected wholly inside contradicts it.
    inside = [
        made
        for begun, ended, made in seen
        if begun > happened.began[1] and ended < happened.ended[0]
    ]
    assert not any(inside)


@pytest.mark.parametrize(("begin", "end"), [("2s", "1s"), ("1s", "1s"), ("0s", "2s")])
def test_acts_that_can_not_be_are_refused(begin: str, end: str) -> None:
    one = Act(begin=Duration.parse("1s"), end=Duration.parse("3s"), how=How.SILENT)
    other = Act(begin=Duration.parse(begin), end=Duration.parse(end), how=How.SILENT)
    with pytest.raises(ValueError, match="acts end after they begin"):
        ScriptedServer(one, other)
