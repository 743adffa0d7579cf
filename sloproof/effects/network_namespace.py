"""The network in which something listens: the harness's own, or one of a container or a test."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from sloproof.effects.incarnation import Incarnation
from sloproof.errors import EffectError

NAMED = (Path("/run/netns"), Path("/run/docker/netns"))
"""Where `ip netns` and Docker keep namespaces that have a name."""


class NamespaceGone(EffectError):
    """Nothing lives in the namespace any more and it has no name: its rules went with it."""


@dataclass(frozen=True, slots=True)
class NetworkNamespace:
    """A network namespace by the kernel's number of it."""

    inode: int

    @classmethod
    def own(cls) -> Self:
        """That of this process."""
        return cls(Path("/proc/self/ns/net").stat().st_ino)

    @classmethod
    def of(cls, life: Incarnation) -> Self:
        """That of this incarnation; raises `EffectError` where it is dead or can't be read."""
        try:
            found = cls(Path(f"/proc/{life.pid}/ns/net").stat().st_ino)
        except OSError as error:
            raise EffectError(f"can't tell the network of process {life.pid}: {error}") from error
        if not life.alive():
            raise EffectError(f"process {life.pid} is gone: its network can't be told")
        return found

    @contextmanager
    def entering(self) -> Iterator[tuple[str, ...]]:
        """The words before a command that let it run there; raises `NamespaceGone`.

        The namespace is held open meanwhile, so it is this one and no other of the same number.
        """
        if self == self.own():
            yield ()
            return
        handle = self._open()
        try:
            yield ("nsenter", f"--net=/proc/{os.getpid()}/fd/{handle}")
        finally:
            os.close(handle)

    def _open(self) -> int:
        processes = (folder / "ns" / "net" for folder in Path("/proc").glob("[0-9]*"))
        named = (file for folder in NAMED if folder.is_dir() for file in folder.iterdir())
        for place in (*named, *processes):
            try:
                handle = os.open(place, os.O_RDONLY | os.O_CLOEXEC)
            except OSError:
                continue
            if os.fstat(handle).st_ino == self.inode:
                return handle
            os.close(handle)
        raise NamespaceGone("nothing lives in that network any more")
