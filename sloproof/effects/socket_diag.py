"""Which sockets listen on a port, as the kernel's socket diagnosis tells it.

`/proc/net/tcp6` gives the same, but reading it walks through every connection of the host, those of
IPv4 as well: 15 ms where thousands of them are waiting for their end. See sock_diag(7).
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from contextlib import closing

# From <linux/netlink.h>, <linux/sock_diag.h>, <linux/inet_diag.h>, include/net/tcp_states.h
NETLINK_SOCK_DIAG = 4
SOCK_DIAG_BY_FAMILY = 20
NLM_F_REQUEST, NLM_F_DUMP = 0x1, 0x300
NLMSG_ERROR, NLMSG_DONE = 2, 3
TCP_LISTEN = 10
_HEADER = struct.Struct("=IHHII")
_REQUEST = struct.Struct("=BBBBI2s46x")
"""inet_diag_req_v2: family, protocol, extensions, padding, states, and of the id the port."""
_ANSWER = struct.Struct("=4x48x16xI")
"""inet_diag_msg, of which only the inode is wanted."""
_PATIENCE_S = 1.0
_ROOM = 1 << 16


def listening(port: int) -> frozenset[int]:
    """The inodes of the TCP sockets of this network that listen on a port.

    Raises `OSError` where the kernel doesn't say.
    """
    diagnosis = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG)
    with closing(diagnosis):
        diagnosis.settimeout(_PATIENCE_S)
        families = (socket.AF_INET, socket.AF_INET6)
        return frozenset(i for family in families for i in _asked(diagnosis, family, port))


def _asked(diagnosis: socket.socket, family: int, port: int) -> Iterator[int]:
    wanted = _REQUEST.pack(family, socket.IPPROTO_TCP, 0, 0, 1 << TCP_LISTEN, port.to_bytes(2))
    length = _HEADER.size + len(wanted)
    flags = NLM_F_REQUEST | NLM_F_DUMP
    diagnosis.send(_HEADER.pack(length, SOCK_DIAG_BY_FAMILY, flags, 0, 0) + wanted)
    while True:
        answer = diagnosis.recv(_ROOM)
        while answer:
            length, kind, _, _, _ = _HEADER.unpack_from(answer)
            if kind == NLMSG_DONE:
                return
            if kind == NLMSG_ERROR:
                code = struct.unpack_from("=i", answer, _HEADER.size)[0]
                raise OSError(-code, "no socket diagnosis")
            yield _ANSWER.unpack_from(answer, _HEADER.size)[0]
            answer = answer[(length + 3) & ~3 :]
