"""A primary and its standby, running for real, for tests that need a database to break."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path

from digital_human.copy_config import CopyConfig
from digital_human.ports import LOOPBACK, Ports, bind
from digital_human.postgres import replication
from digital_human.postgres.archive import Archive
from digital_human.postgres.binaries import find
from digital_human.postgres.server import Server
from digital_human.processes import spawn
from digital_human.settings import Settings

START_PATIENCE_S = 30.0
ROOM = 1 << 30


@dataclass
class Running:
    """Servers and the processes that this test started for them."""

    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, server: Server) -> None:
        """Start a server, dead or new, and wait until it answers."""
        asyncio.run(server.vacate())
        if server.name in self.processes:
            self.processes[server.name].wait()
        process = spawn(server.command(), env=os.environ, log=server.log)
        self.processes[server.name] = process
        until(
            lambda: asyncio.run(server.ready()) or process.poll() is not None,
            f"{server.name} did not start",
        )
        assert process.poll() is None, server.log.read_text(errors="replace")[-2_000:]

    def start_archive(self, archive: Archive, folder: Path, ports: Ports) -> int:
        """Start the service that keeps what primaries send to this archive; its port."""
        port, config = ports.reserve(), folder / "archive.json"
        files = {"archive": str(archive.folder), "calls": str(folder / "calls.jsonl")}
        CopyConfig("archive", {}, files, Settings()).write(config)
        with bind(port) as listener:
            fd = listener.fileno()
            command = [sys.executable, "-m", "digital_human.archive", str(config), str(fd)]
            log = folder / "archive.log"
            self.processes["archive"] = spawn(command, env=os.environ, log=log, fds=[fd])
        return port

    def kill(self, server: Server) -> None:
        """Kill a server's process at once; its children notice and end."""
        process = self.processes[server.name]
        process.kill()
        process.wait()
        until(lambda: not workers(server), f"children of {server.name} stayed")

    def stop(self, server: Server) -> None:
        """Shut a server down cleanly: what it was doing is rolled back."""
        process = self.processes[server.name]
        process.send_signal(signal.SIGINT)
        process.wait(START_PATIENCE_S)

    def end(self) -> None:
        """Kill all that runs."""
        for process in self.processes.values():
            process.kill()
            process.wait()


@dataclass
class Pair:
    """A primary with its standby, both running; `synchronous` says whether commits wait for it."""

    primary: Server
    standby: Server
    synchronous: bool
    running: Running

    def kill_primary(self) -> None:
        """Kill the primary's process at once."""
        self.running.kill(self.primary)


def server(folder: Path, ports: Ports, name: str = "a") -> Server:
    """A server that isn't made yet."""
    return Server(name, folder / name, ports.reserve())


@contextmanager
def own_folder() -> Iterator[Path]:
    """A folder that PostgreSQL's account can reach, which pytest's isn't when root runs it."""
    folder = Path(tempfile.mkdtemp(prefix="pg-test-", dir=_fast()))
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@contextmanager
def servers(wanted: Path | None = None) -> Iterator[tuple[Path, Ports, Running]]:
    """A folder, ports, and what will run there; all gone at the end.

    The folder is `wanted` where PostgreSQL's account can reach that, else one of its own.
    """
    ports, running = Ports(), Running()
    usable = wanted is not None and find().obstacle(wanted) is None
    with nullcontext(wanted) if wanted and usable else own_folder() as folder:
        try:
            yield folder, ports, running
        finally:
            running.end()
            until(lambda: not below(folder), f"processes in {folder} stayed")
            ports.release()


@contextmanager
def pair(folder: Path | None = None, synchronous: bool = False) -> Iterator[Pair]:
    """A primary and its standby that has caught up; everything is gone at the end.

    `folder` may be unreachable for PostgreSQL's account (pytest's `tmp_path` under root is): then,
    or without one, the servers live in a folder of their own, removed with them.
    """
    with servers(folder) as (root, ports, running):
        primary, standby = server(root, ports, "a"), server(root, ports, "b")
        asyncio.run(primary.initialise())
        running.start(primary)
        asyncio.run(standby.clone(LOOPBACK, primary.port, "b"))
        running.start(standby)
        if synchronous:
            asyncio.run(replication.wait_for(primary.dsn, ["b"]))
        until(lambda: _streams(primary, synchronous), "the standby did not catch up")
        yield Pair(primary, standby, synchronous, running)


def workers(of: Server) -> list[int]:
    """The processes that have a server's data open."""
    return below(of.data)


def below(folder: Path) -> list[int]:
    """The processes whose working folder is `folder` or in it."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                where = (entry / "cwd").readlink()
            except OSError:
                continue
            if where.is_relative_to(folder):
                found.append(int(entry.name))
    return found


def until(condition: Callable[[], bool], otherwise: str) -> None:
    """Return as soon as `condition` holds; fails when it doesn't in time."""
    deadline = time.monotonic() + START_PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.02)


def _fast() -> str:
    """In memory where there is room: databases flush a lot, and the disk is shared by all tests."""
    memory = "/dev/shm"
    with suppress(OSError):
        if shutil.disk_usage(memory).free > ROOM:
            return memory
    return "/var/tmp"


def _streams(primary: Server, synchronous: bool) -> bool:
    found = asyncio.run(replication.lag(primary.dsn))
    return any(
        each.state == "streaming" and each.synchronous == synchronous and each.replay_bytes == 0
        for each in found
    )
