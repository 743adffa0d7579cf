"""Loopback ports that stay with their owner while nobody listens on them.

Ports come from below the range from which the kernel takes the local ends of outgoing connections.
Inside that range a port whose copy is dead can be taken by any connection, and a client that
retries it will, sooner or later, connect to itself.
"""

from __future__ import annotations

import random
import socket
from pathlib import Path

LOOPBACK = "127.0.0.1"
LOWEST = 10_000
EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")
ATTEMPTS = 1_000


class NoFreePort(Exception):
    """No port could be reserved."""


class Ports:
    """Ports reserved for one system, until `release` or the death of this process.

    A reservation is an abstract Unix socket named after the port: it exists once in a network
    namespace, just like the port, so systems that start side by side never choose the same one.
    """

    def __init__(self) -> None:
        self._reserved: list[socket.socket] = []

    def reserve(self) -> int:
        """A port that nobody listens on and no other system has reserved."""
        highest = _lowest_ephemeral() - 1
        for _ in range(ATTEMPTS):
            port = random.randint(LOWEST, highest)
            mark = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                mark.bind(f"\0digital-human-port-{port}")
                bind(port).close()
            except OSError:
                mark.close()
                continue
            self._reserved.append(mark)
            return port
        raise NoFreePort(f"no free port from {LOWEST} to {highest} on {LOOPBACK}")

    def release(self) -> None:
        """Give all reserved ports back."""
        while self._reserved:
            self._reserved.pop().close()


def bind(port: int) -> socket.socket:
    """A socket bound to `port` that does not listen: until its owner does, connecting is refused.

    Raises `OSError` if somebody else has the port.
    """
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((LOOPBACK, port))
    except OSError:
        bound.close()
        raise
    return bound


def _lowest_ephemeral() -> int:
    try:
        lowest = int(EPHEMERAL.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        lowest = 32_768
    return lowest if lowest > LOWEST + ATTEMPTS else 65_536
