"""Finding a service's process by the port it listens on, its pid file or its command line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sloproof.effects.incarnation import Incarnation


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


def _listener(port: int) -> Incarnation | None:
    """The oldest process that listens on a TCP port of this host."""
    import psutil

    try:
        connections = psutil.net_connections(kind="tcp")
    except psutil.Error:
        return None
    pids = {
        connection.pid
        for connection in connections
        if connection.status == psutil.CONN_LISTEN
        and connection.laddr
        and connection.laddr.port == port
        and connection.pid
    }
    found = [life for life in map(Incarnation.of, pids) if life is not None]
    return min(found, key=lambda life: (life.start, life.pid), default=None)


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
