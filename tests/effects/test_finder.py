"""The process behind a port, found soon though the host has very many connections."""

from __future__ import annotations

import resource
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from sloproof.effects.finder import Finder
from sloproof.effects.incarnation import Incarnation, self_incarnation


@pytest.fixture(params=[socket.AF_INET, socket.AF_INET6], ids=["IPv4", "IPv6"])
def listening(request: pytest.FixtureRequest) -> Iterator[socket.socket]:
    with socket.socket(request.param) as server:
        try:
            server.bind(("::1" if request.param is socket.AF_INET6 else "127.0.0.1", 0))
        except OSError:
            pytest.skip("this host has no IPv6")
        server.listen(512)
        yield server


def test_the_process_that_listens_is_found(listening: socket.socket) -> None:
    assert Finder(listens=listening.getsockname()[1]).find() == self_incarnation()


def test_who_inherited_the_socket_is_found_once_the_first_is_gone(
    listening: socket.socket,
) -> None:
    finder = Finder(listens=listening.getsockname()[1])
    argv = [sys.executable, "-S", "-c", "input()"]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, pass_fds=[listening.fileno()]) as heir:
        assert finder.find() == self_incarnation()
        listening.close()
        assert finder.find() == Incarnation.of(heir.pid)
        heir.kill()
        heir.wait()
        assert finder.find() is None


def test_who_only_has_a_connection_from_or_to_the_port_is_not_found(
    listening: socket.socket,
) -> None:
    with socket.socket(listening.family) as client:
        client.connect(listening.getsockname())
        own, others = client.getsockname()[1], listening.getsockname()[1]
        with listening.accept()[0]:
            listening.close()
            assert Finder(listens=own).find() is None
            assert Finder(listens=others).find() is None


def test_a_thousand_connections_take_little_longer_than_none() -> None:
    """The engine asks some dozen times within the 3 s after which its guardian takes it for hung.

    A fiftieth of a second for each leaves most of them over; only this process's time counts.
    """
    with ExitStack() as stack:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if hard < 5000:
            pytest.skip("this process may not hold that many connections")
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 5000), hard))
        stack.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        server = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=512))
        for _ in range(2000):
            stack.enter_context(socket.create_connection(server.getsockname()))
            stack.enter_context(server.accept()[0])
        finder = Finder(listens=server.getsockname()[1])
        began = time.process_time()
        for _ in range(10):
            assert finder.find() == self_incarnation()
        each = (time.process_time() - began) / 10
    assert each < 0.02, f"{each:.3f} s each"
