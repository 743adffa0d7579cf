"""Networks of a test's own: namespaces that end with their holder, which ends with the test."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from sloproof.contracts import DelaysPackets, DropsPackets
from sloproof.effects.incarnation import Incarnation
from sloproof.effects.network_namespace import NetworkNamespace
from sloproof.platforms.parts.packets import lacking

CLONE_NEWNET = 0x40000000  # from <linux/sched.h>
HOLD = """
import fcntl, socket, struct, sys
up = struct.pack("16sH14x", b"lo", 1)  # IFF_UP, by SIOCSIFFLAGS
fcntl.ioctl(socket.socket(socket.AF_INET, socket.SOCK_DGRAM), 0x8914, up)
print("up", flush=True)
sys.stdin.read()
"""
ECHO = """
import socket, sys, threading
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
server = socket.create_server((sys.argv[1], 0), family=family)
print(server.getsockname()[1], flush=True)

def answer(connection):
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    while said := connection.recv(1 << 16):
        connection.sendall(said)

while True:
    connection, _ = server.accept()
    threading.Thread(target=answer, args=(connection,), daemon=True).start()
"""


@dataclass(frozen=True, slots=True)
class Network:
    """A network by the process that holds it; its own loopback is up and nothing else."""

    holder: int

    @property
    def prefix(self) -> tuple[str, ...]:
        """The words before a command that let it run there."""
        return ("nsenter", f"--net=/proc/{self.holder}/ns/net")

    @property
    def namespace(self) -> NetworkNamespace:
        return NetworkNamespace(Path(f"/proc/{self.holder}/ns/net").stat().st_ino)

    def run(self, *argv: str) -> str:
        done = subprocess.run(
            [*self.prefix, *argv], capture_output=True, text=True, check=True, timeout=30
        )
        return done.stdout

    def rules(self, program: str = "iptables") -> list[str]:
        """Every rule there is, in every table."""
        listed = self.run(f"{program}-save").splitlines()
        return [line for line in listed if line.startswith("-A ")]

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Within it, what this thread opens is opened there."""
        own = os.open("/proc/self/ns/net", os.O_RDONLY)
        other = os.open(f"/proc/{self.holder}/ns/net", os.O_RDONLY)
        setns = ctypes.CDLL(None, use_errno=True).setns
        try:
            assert setns(other, CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())
            yield
        finally:
            assert setns(own, CLONE_NEWNET) == 0
            os.close(own)
            os.close(other)

    @contextmanager
    def echo(self, host: str = "127.0.0.1") -> Iterator[tuple[Incarnation, int]]:
        """A server that sends back what it gets: who it is, and its port."""
        argv = [*self.prefix, sys.executable, "-c", ECHO, host]
        with subprocess.Popen(argv, stdout=subprocess.PIPE) as server:
            try:
                assert server.stdout is not None
                port = int(server.stdout.readline())
                life = Incarnation.of(server.pid)
                assert life is not None
                yield life, port
            finally:
                server.kill()


def joined(one: Network, other: Network) -> tuple[str, str]:
    """Lay a cable between two networks; gives the address of each at it."""
    ends = (f"a{one.holder}", f"b{other.holder}")
    addresses = ("192.0.2.1", "192.0.2.2")  # for documentation (RFC 5737): nobody's
    cable = ["link", "add", ends[0], "type", "veth", "peer", "name", ends[1]]
    one.run("ip", *cable, "netns", str(other.holder))
    for network, end, address in zip((one, other), ends, addresses, strict=True):
        network.run("ip", "address", "add", f"{address}/24", "dev", end)
        network.run("ip", "link", "set", end, "up")
    return addresses


@contextmanager
def network() -> Iterator[Network]:
    """A network of its own; skips the test where the host can't have rules about packets."""
    for capability in (DropsPackets, DelaysPackets):
        if reason := lacking(capability):
            pytest.skip(reason)
    argv = ["unshare", "--net", sys.executable, "-c", HOLD]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == b"up\n"
            yield Network(holder.pid)
        finally:
            holder.kill()
