"""What a run touches, kept from other runs on this host, whatever their files and folders are.

Each thing is a byte of one file a user, locked by an open file description: whoever inherited it,
as the guardian did, also holds what the engine locks later on, and death lets go of all.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import stat
import struct
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from sloproof.errors import UsageError
from sloproof.model.addressing import HttpCall
from sloproof.model.target import Target
from sloproof.run.busy import Holder, TargetBusy
from sloproof.spec.stores import ends_of

_SHARED = Path("/tmp")  # noqa: S108 - one place for all runs; the folder in it is its user's alone
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1", "0.0.0.0", "::"})  # noqa: S104 - not bound
_PORTS = {"http": 80, "https": 443}
_NOT_YET = "$("
"""What only the running target tells."""


def things_of(target: Target) -> list[str]:
    """What a run touches of a target: addresses, proxies and pid files, as far as is known."""
    return sorted({thing for thing in _things(target) if _NOT_YET not in thing})


def _things(target: Target) -> Iterator[str]:
    yield _address(target.entry.url)
    for link in target.links:
        if link.proxy is not None:
            yield f"proxy {link.proxy.name} of {_address(link.proxy.server)}"
    for service in target.services.values():
        for copy in service.instances:
            if copy.listens is not None:
                yield f"127.0.0.1:{copy.listens}"
            if copy.pid_file is not None:
                yield os.path.realpath(Path(target.folder, copy.pid_file))
    yield from _in_stores(target)
    yield from _by_switches(target)


def _in_stores(target: Target) -> Iterator[str]:
    dsns = [copy.dsn for store in target.stores.values() for copy in store.copies]
    for dsn in dsns:
        if _NOT_YET not in dsn:
            yield from (_place(host, port) for host, port in ends_of(dsn))


def _by_switches(target: Target) -> Iterator[str]:
    for switch in target.switches.values():
        calls = [each for each in (switch.set, switch.reset) if isinstance(each, HttpCall)]
        yield from (_address(call.url) for call in calls)


def _address(url: str) -> str:
    """Host and port of a URL, in one spelling; the URL itself where it isn't complete yet."""
    if _NOT_YET in url:
        return url
    parts = urlsplit(url)
    return _place(parts.hostname or "", parts.port or _PORTS.get(parts.scheme))


def _place(host: str, port: int | None) -> str:
    host = host if host.startswith("/") else host.rstrip(".").lower()
    return f"{'127.0.0.1' if host in _LOOPBACK else host}:{port}"


class Touching:
    """The things that a run touches, each locked; `fd` holds them all, also those yet to come."""

    def __init__(self, run: str, state: Path) -> None:
        self._run = run
        self._state = str(state.absolute())
        self._folder = _own_folder()
        self._held: dict[str, Path] = {}
        self.fd = os.open(self._folder / "touched", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def touch(self, target: Target) -> None:
        """Lock what is known of a target by now; raises `TargetBusy` where another run has it."""
        for thing in things_of(target):
            if thing not in self._held:
                self._hold(target.name, thing)

    def _hold(self, target: str, thing: str) -> None:
        digest = hashlib.sha256(f"{_network()} {thing}".encode()).digest()
        note = self._folder / digest[:8].hex()
        byte = int.from_bytes(digest[:8], "big") >> 2  # an offset is a signed number
        if not _locked(self.fd, byte):
            holder = Holder.told(lambda: note.read_bytes() if note.is_file() else b"")
            raise TargetBusy(f"{target} ({thing})", holder)
        note.write_bytes(Holder.written(self._run, self._state))
        self._held[thing] = note

    def close(self) -> None:
        """Let go of everything."""
        for note in self._held.values():
            note.unlink(missing_ok=True)
        os.close(self.fd)


def _locked(fd: int, byte: int) -> bool:
    """Lock one byte for the open file description; False where another one has it."""
    asked = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, byte, 1, 0)
    try:
        fcntl.fcntl(fd, fcntl.F_OFD_SETLK, asked)
    except OSError as error:
        if error.errno in (errno.EAGAIN, errno.EACCES):
            return False
        raise
    return True


def _network() -> str:
    """Which network addresses are meant in: the same one is another thing in another namespace."""
    return str(Path("/proc/self/ns/net").readlink())


def _own_folder() -> Path:
    """A folder of this user's alone, the same for all runs; raises `UsageError` without one."""
    folder = _SHARED / f"sloproof-{os.geteuid()}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError as error:
        raise UsageError(f"{folder}: can't be made: {error.strerror}") from error
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise UsageError(f"{folder}: must be a folder of yours that nobody else can open")
    return folder
