"""`packet`: is a single TCP packet answered, and how fast; the witness of faults of packets.

A packet that belongs to no connection is sent to a port, and the host's kernel answers it with a
reset (RFC 9293, 3.10.7.1 and 3.10.7.2), whoever listens there: nothing is accepted, nothing is
sent again, and no program takes part. So each sample is one packet each way, lost or not, and its
time is the network's alone.

`value` is the round trip in seconds. `timeout` is a packet, or an answer, that was lost. It needs
root: packets are sent and heard past the kernel's own connections.
"""

from __future__ import annotations

import asyncio
import ctypes
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import count
from time import monotonic_ns
from typing import ClassVar

from sloproof.contracts import Probe, Sample

ATTACH_FILTER = 26  # SO_ATTACH_FILTER, from <asm/socket.h>
ACK, RST = 0x10, 0x04
_TCP = struct.Struct(">HHIIBBHHH")
_STEP = struct.Struct("=HBBI")  # struct sock_filter, from <linux/filter.h>


@dataclass(slots=True)
class Wire:
    """A socket for whole packets, a port of its own, and who waits for which answer."""

    family: socket.AddressFamily
    raw: socket.socket
    reserved: socket.socket
    waiting: dict[int, asyncio.Future[int]] = field(default_factory=dict)
    numbers: Iterator[int] = field(default_factory=lambda: count(1))

    @property
    def port(self) -> int:
        """The port from which packets come; nobody else gets it meanwhile."""
        return int(self.reserved.getsockname()[1])

    def heard(self) -> None:
        """Read what came: a reset tells the number of the packet that it answers."""
        now = monotonic_ns()
        try:
            packet = self.raw.recv(1 << 16)
        except OSError:
            return  # what a router says of a packet: its sample will end without an answer
        start = (packet[0] & 0xF) * 4 if self.family is socket.AF_INET else 0
        _, to, sequence, _, _, flags, *_ = _TCP.unpack_from(packet, start)
        future = self.waiting.pop(sequence, None) if to == self.port and flags & RST else None
        if future is not None and not future.done():
            future.set_result(now)

    def packet(self, port: int, number: int) -> bytes:
        """An acknowledgement of what was never sent, which names its `number`."""
        ends = [
            socket.inet_pton(self.family, str(end[0]).partition("%")[0])
            for end in (self.raw.getsockname(), self.raw.getpeername())
        ]
        head = [self.port, port, 0, number, 5 << 4, ACK, 1024, 0, 0]
        pseudo = b"".join(ends) + struct.pack(">II", socket.IPPROTO_TCP, _TCP.size)
        head[7] = _checksum(pseudo + _TCP.pack(*head))
        return _TCP.pack(*head)


@dataclass(frozen=True, kw_only=True)
class Packet(Probe):
    """Sends one TCP packet to `host` and `port` for each sample."""

    kind: ClassVar[str] = "packet"
    overlaps: ClassVar[bool] = True

    host: str
    port: int

    @cached_property
    def _wire(self) -> Wire:
        found = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        family, _, _, _, address = found[0]
        raw = socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_TCP)
        raw.connect(address)
        raw.setblocking(False)
        reserved = socket.socket(family, socket.SOCK_STREAM)
        reserved.bind((raw.getsockname()[0], 0))
        wire = Wire(family, raw, reserved)
        _hear_only(raw, wire.port, skip_header=family is socket.AF_INET)
        return wire

    async def open(self) -> None:
        """Take a port and listen for answers to it; raises `PermissionError` without root."""
        asyncio.get_running_loop().add_reader(self._wire.raw, self._wire.heard)

    async def sample(self) -> Sample:
        """One packet, and its answer."""
        wire = self._wire
        number = next(wire.numbers)
        answer = asyncio.get_running_loop().create_future()
        wire.waiting[number] = answer
        began = monotonic_ns()
        try:
            wire.raw.send(wire.packet(self.port, number))
            return Sample(ok=True, value=(await answer - began) / 1e9)
        except OSError as error:
            return Sample.failed(error)
        finally:
            wire.waiting.pop(number, None)

    async def close(self) -> None:
        """Give the port back."""
        asyncio.get_running_loop().remove_reader(self._wire.raw)
        self._wire.raw.close()
        self._wire.reserved.close()


def _checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071)."""
    total: int = sum(struct.unpack(f">{len(data) // 2}H", data))
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF


def _hear_only(raw: socket.socket, port: int, *, skip_header: bool) -> None:
    """Let the kernel pass only packets to `port`: all others of the host would come along.

    The program is the classic packet filter's (Documentation/networking/filter.rst).
    """
    length_of_header, half_at, half_behind, equal, answer = 0xB1, 0x28, 0x48, 0x15, 0x06
    load = [(length_of_header, 0, 0, 0), (half_behind, 0, 0, 2)] if skip_header else []
    load = load or [(half_at, 0, 0, 2)]
    steps = [*load, (equal, 0, 1, port), (answer, 0, 0, 0xFFFF), (answer, 0, 0, 0)]
    program = ctypes.create_string_buffer(b"".join(_STEP.pack(*step) for step in steps))
    told = struct.pack("HP", len(steps), ctypes.addressof(program))
    raw.setsockopt(socket.SOL_SOCKET, ATTACH_FILTER, told)
