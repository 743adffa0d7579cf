"""How late packets are on one connection: `python -m benchmarks.packets RATE COUNT DELAY`.

Run in a network of its own. It prints a JSON list of milliseconds: how much later than usual each
of COUNT messages arrived, sent at RATE a second in a packet of its own, while DELAY ms were asked
for. Sender and receiver are two processes with one clock; neither knows how packets are delayed.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import struct
import subprocess
import sys
import time
from contextlib import suppress
from statistics import median

from sloproof.contracts import Owner
from sloproof.effects.incarnation import self_incarnation
from sloproof.effects.packet_delay import PacketDelay

SECOND = 1_000_000_000
MS = 1_000_000
STAMP = struct.Struct("=q")
SETTLING = 2
"""Seconds in which the connection comes to have that many packets under way."""


def main() -> None:
    """Measure as usual, then while packets are late."""
    if sys.argv[1] == "receive":
        receive(socket.socket(fileno=int(sys.argv[2])))
        return
    rate, count, delay = map(int, sys.argv[1:])
    with suppress(OSError):  # that of this program and its receiver is not to be measured
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    up = struct.pack("16sH14x", b"lo", 1)  # IFF_UP, by SIOCSIFFLAGS
    fcntl.ioctl(socket.socket(socket.AF_INET, socket.SOCK_DGRAM), 0x8914, up)
    with socket.create_server(("127.0.0.1", 0)) as server:
        usual = median(one_way(server, rate, count))
        effect = PacketDelay(
            link="link",
            listener=str(self_incarnation()),
            host="127.0.0.1",
            port=server.getsockname()[1],
            delay_ns=delay * MS,
        ).bound(Owner(f"bench-{os.getpid()}", 1))
        prior = effect.capture()
        try:
            effect.apply(prior)
            late = one_way(server, rate, count)
        finally:
            effect.undo(prior)
    sys.stdout.write(json.dumps([each - usual for each in late]))


def one_way(server: socket.socket, rate: int, count: int) -> list[float]:
    """How long each message was on its way, in milliseconds."""
    with socket.create_connection(server.getsockname()) as sender:
        sender.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        there, _ = server.accept()
        argv = [sys.executable, "-m", "benchmarks.packets", "receive", str(there.fileno())]
        pipe = subprocess.PIPE
        with there, subprocess.Popen(argv, pass_fds=[there.fileno()], stdout=pipe) as receiver:
            there.close()
            send(sender, rate, count + SETTLING * rate)
            sender.shutdown(socket.SHUT_WR)
            found: list[float] = json.loads(receiver.communicate(timeout=60)[0])
    return found[-count:]


def send(sender: socket.socket, rate: int, count: int) -> None:
    """Send each message when it is due, with the time at which it was sent."""
    begin = time.monotonic_ns()
    for number in range(count):
        time.sleep(max(0, begin + number * SECOND // rate - time.monotonic_ns()) / SECOND)
        sender.send(STAMP.pack(time.monotonic_ns()))


def receive(there: socket.socket) -> None:
    """Note when each message came, until the last."""
    took, left = [], b""
    while said := there.recv(1 << 16):
        now = time.monotonic_ns()
        left += said
        whole = len(left) - len(left) % STAMP.size
        took += [(now - sent) / MS for (sent,) in STAMP.iter_unpack(left[:whole])]
        left = left[whole:]
    sys.stdout.write(json.dumps(took))


if __name__ == "__main__":
    main()
