"""The kernel's socket diagnosis, beside the sockets themselves."""

from __future__ import annotations

import os
import socket
from contextlib import ExitStack

import pytest

from sloproof.effects import finder
from sloproof.effects.finder import Finder
from sloproof.effects.socket_diag import listening


def inode(found: socket.socket) -> int:
    return os.fstat(found.fileno()).st_ino


def bound(family: int, host: str, port: int = 0) -> socket.socket:
    found = socket.socket(family, socket.SOCK_STREAM)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    if family == socket.AF_INET6:
        found.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    found.bind((host, port))
    return found


def test_all_that_listen_on_a_port_are_told_and_nobody_else() -> None:
    with ExitStack() as stack:
        one = stack.enter_context(bound(socket.AF_INET, "127.0.0.1"))
        port = one.getsockname()[1]
        two = stack.enter_context(bound(socket.AF_INET, "127.0.0.1", port))
        six = stack.enter_context(bound(socket.AF_INET6, "::1", port))
        other = stack.enter_context(bound(socket.AF_INET, "127.0.0.1"))
        assert listening(port) == frozenset(), "nobody listens yet"
        for each in (one, two, six, other):
            each.listen()
        client = stack.enter_context(socket.create_connection(one.getsockname()))
        assert client.fileno() > 0, "whoever is connected doesn't listen"
        assert listening(port) == {inode(one), inode(two), inode(six)}
    assert listening(port) == frozenset()


def test_where_the_kernel_does_not_say_its_lists_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(port: int) -> frozenset[int]:
        raise OSError(port, "no socket diagnosis")

    monkeypatch.setattr(finder, "listening", silent)
    with bound(socket.AF_INET, "127.0.0.1") as server:
        server.listen()
        found = Finder(listens=server.getsockname()[1]).find()
        assert found is not None
        assert found.pid == os.getpid()
