"""Finding a service's process by the port it listens on, its pid file or its command line."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from sloproof.effects.incarnation import Incarnation
from sloproof.effects.socket_diag import listening

LISTEN = "0A"
"""TCP_LISTEN in hexadecimal, as in the kernel's include/net/tcp_states.h."""


@dataclass(frozen=True, slots=True)
class Finder:
    """How one instance is found; exactly one of the three is given."""

    listens: int | None = None
    pid_file: str = ""
    command_line: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The finder as plain data."""
        words = list(self.command_line)
        return {"listens": self.listens, "pid_file": self.pid_file, "command_line": words}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Finder:
        """The finder that `to_json` wrote."""
        return cls(data["listens"], data["pid_file"], tuple(data["command_line"]))

    def find(self) -> Incarnation | None:
        """The incarnation that is it now, or None."""
        if self.listens is not None:
            return _listener(self.listens)
        if self.pid_file:
            return _from_pid_file(Path(self.pid_file))
        return _by_command_line(self.command_line)


def elsewhere(port: int) -> list[Incarnation]:
    """Who listens on a TCP port in other networks of this host (of containers): one for each."""
    folders = [*Path("/proc").glob("[0-9]*")]
    networks: dict[int, Path] = {}
    for folder in (Path("/proc/self"), *folders):
        with suppress(OSError):
            networks.setdefault((folder / "ns" / "net").stat().st_ino, folder / "net")
    found = []
    for tables in [*networks.values()][1:]:
        sockets = frozenset(f"socket:[{inode}]" for inode in _listed(port, tables))
        found += [_oldest_holder(sockets)] if sockets else []
    return [life for life in found if life is not None]


def _listener(port: int) -> Incarnation | None:
    """The oldest process that listens on a TCP port of this host.

    The kernel is asked, since this is asked often and by an engine that must not hang: looking at
    every connection of every process takes a tenth of a second on a busy host.
    """
    try:
        inodes: Iterable[object] = listening(port)
    except OSError:  # a sandbox without it
        inodes = _listed(port)
    sockets = frozenset(f"socket:[{inode}]" for inode in inodes)
    if not sockets:
        return None
    known = _oldest_holder(sockets)
    if known is None or not (known.alive() and _holds(known.pid, sockets)):
        _oldest_holder.cache_clear()
        known = _oldest_holder(sockets)
    return known


@lru_cache(maxsize=256)
def _oldest_holder(sockets: frozenset[str]) -> Incarnation | None:
    """Who has held these sockets longest; remembered, as a socket rarely changes hands."""
    pids = [int(folder.name) for folder in Path("/proc").glob("[0-9]*")]
    found = [life for pid in pids if _holds(pid, sockets) and (life := Incarnation.of(pid))]
    return min(found, key=lambda life: (life.start, life.pid), default=None)


def _listed(port: int, tables: Path = Path("/proc/net")) -> Iterator[str]:
    """The inodes of the sockets that listen on a port.

    The kernel lists these first and all connections after them, so reading ends where those begin
    (Documentation/networking/proc_net_tcp.rst, which also names the columns).
    """
    wanted = f":{port:04X}"
    for table in ("tcp", "tcp6"):
        with suppress(OSError), (tables / table).open(encoding="ascii") as lines:
            next(lines)
            for line in lines:
                _, local, _, state, _, _, _, _, _, inode, *_ = line.split()
                if state != LISTEN:
                    break
                if local.endswith(wanted):
                    yield inode


def _holds(pid: int, sockets: Set[str]) -> bool:
    """Whether one of the process's open files is one of these sockets."""
    fds = f"/proc/{pid}/fd"
    try:
        names = os.listdir(fds)  # noqa: PTH208 - thousands of paths would be built for nothing
    except OSError:
        return False
    for name in names:
        with suppress(OSError):  # closed in the meantime
            if os.readlink(f"{fds}/{name}") in sockets:  # noqa: PTH115 - likewise
                return True
    return False


def _from_pid_file(path: Path) -> Incarnation | None:
    try:
        return Incarnation.of(int(path.read_text(encoding="ascii")))
    except (OSError, ValueError):
        return None


def _by_command_line(words: Sequence[str]) -> Incarnation | None:
    found: list[Incarnation] = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            arguments = (folder / "cmdline").read_bytes().decode("utf-8", "replace").split("\0")
        except OSError:
            continue
        if all(any(word in argument for argument in arguments) for word in words):
            life = Incarnation.of(int(folder.name))
            found += [life] if life else []
    return min(found, key=lambda life: (life.start, life.pid), default=None)
