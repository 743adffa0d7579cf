"""Wrong clocks and failing look-ups of processes that were started with the shim."""

from __future__ import annotations

import sys
from collections.abc import Collection, Sequence
from dataclasses import replace
from mmap import ACCESS_READ, mmap
from pathlib import Path

from sloproof.contracts import (
    Duration,
    Effect,
    FailsNames,
    Instance,
    ProbeSpec,
    Sense,
    SkewsClocks,
    Witness,
)
from sloproof.effects.incarnation import Incarnation
from sloproof.effects.page import Page, PageEffect, page_of
from sloproof.effects.skew import Skew
from sloproof.effects.unresolved import NAMES, Unresolved
from sloproof.effects.witness import witness_to_json
from sloproof.errors import EffectError, Lacking, PlatformError
from sloproof.platforms.parts.described import Described

LIBRARY = "/sloproof-shim.so"
LEAST = Duration(3_000_000_000)
"""A shorter skew can't be told from the seconds in which an HTTP server tells its time."""
TOLERANCE = 1.0
OFTEN = Duration(90_000_000)
"""Not a part of a second, so that the samples fall on all parts of it."""
LOOKUP = Duration(500_000_000)
PATIENCE = Duration(5_000_000_000)
GO = b"\xff Go buildinf:"
LOOK_UP = "import socket, sys; socket.getaddrinfo(sys.argv[1], None)"


class Armed(Described, SkewsClocks, FailsNames):
    """A target of processes, some of which were started by `sloproof arm`."""

    def skew_clock(self, instance: Instance, ahead: Duration, behind: Duration) -> Effect:
        """An offset to the wall clock of the copy's process, and of what it has forked.

        Raises `PlatformError` where it wasn't armed, or where its clock can't be seen.
        """
        self._page(instance)
        offset = ahead - behind
        if abs(offset.ns) < LEAST.ns:
            raise PlatformError(
                f"a skew below {LEAST} can't be seen: HTTP tells the time in whole seconds"
            )
        port = self._port(instance)
        if port is None:
            raise PlatformError(
                f"nobody can see the clock of {instance.name}: its file gives no port on which it "
                "listens (`listens`)"
            )
        probe = _clock(instance, port, "witness")
        return Skew(
            incarnation=instance.incarnation,
            instance=instance.name,
            offset_ns=offset.ns,
            seen_by=witness_to_json(Witness(Sense.LEVEL, (probe,), offset.seconds, "s", TOLERANCE)),
        )

    def fail_names(self, instance: Instance, names: Sequence[str]) -> Effect:
        """Look-ups by the C library of the copy's process, and of what it has forked, fail.

        Raises `PlatformError` where it wasn't armed, or for names that are none or too many.
        """
        page = self._page(instance)
        plain = tuple(_plain(name) for name in names)
        probe = _look_up(instance, page, plain[0] if plain else "localhost", "witness")
        effect = Unresolved(
            incarnation=instance.incarnation,
            instance=instance.name,
            names=plain,
            seen_by=witness_to_json(Witness(Sense.OBSERVED, (probe,))),
        )
        if len(effect.listed) >= NAMES.size:
            raise PlatformError(f"{len(names)} names are too many: {NAMES.size} bytes hold them")
        return effect

    def neighbours(self, effect: Effect, struck: Collection[str]) -> Sequence[Witness]:
        """The clocks of the other copies; the look-ups of those that are armed."""
        seen = effect.witness()
        if seen is None or not isinstance(effect, PageEffect):
            return super().neighbours(effect, struck)
        probes = (
            self._own_witness(effect, copy) for copy in self.instances() if copy.name not in struck
        )
        return [replace(seen, probes=(probe,)) for probe in probes if probe]

    def _own_witness(self, effect: Effect, copy: Instance) -> ProbeSpec | None:
        if isinstance(effect, Skew):
            port = self._port(copy)
            return None if port is None else _clock(copy, port, "neighbour")
        page = _page_of(copy)
        names = effect.names if isinstance(effect, Unresolved) else ()
        name = names[0] if names else "localhost"
        return None if page is None else _look_up(copy, page, name, "neighbour")

    def _page(self, instance: Instance) -> Page:
        """The page that is this copy's and nobody else's."""
        page = _page_of(instance)
        if page is not None and _in_go(instance):
            raise Lacking(
                f"{instance.name} is written in Go: it asks the kernel itself and looks "
                "names up without the system's C library, so it can't be armed"
            )
        if page is None:
            raise Lacking(
                f"{instance.name} is not armed: start it by `sloproof arm -- COMMAND`. Programs "
                "without the system's C library (static ones, those in Go) can't be armed"
            )
        for other in self.instances():
            beside = _page_of(other) if other.name != instance.name else None
            if beside is not None and beside.inode == page.inode:
                raise PlatformError(
                    f"{instance.name} and {other.name} were forked from one process and have one "
                    "clock and one resolver: start each as a program of its own"
                )
        return page

    def _port(self, instance: Instance) -> int | None:
        for copy in self.target.services[instance.service].instances:
            if copy.name == instance.name and copy.listens is not None:
                return int(copy.listens)
        return None


def _page_of(instance: Instance) -> Page | None:
    try:
        return page_of(Incarnation.parse(instance.incarnation))
    except EffectError as error:
        raise PlatformError(f"{instance.name}: {error}") from error


def _in_go(instance: Instance) -> bool:
    """Whether its program carries what `go version` reads (Go's src/debug/buildinfo)."""
    pid = Incarnation.parse(instance.incarnation).pid
    try:
        with (
            Path(f"/proc/{pid}/exe").open("rb") as program,
            mmap(program.fileno(), 0, access=ACCESS_READ) as content,
        ):
            return content.find(GO) >= 0
    except OSError:
        return False


def _plain(name: str) -> str:
    plain = name.rstrip(".")
    if not plain or not plain.isascii() or not plain.isprintable() or " " in plain:
        raise PlatformError(
            f'"{name}" is no name that is looked up (of letters beyond ASCII: xn--…)'
        )
    return plain


def _clock(instance: Instance, port: int, prefix: str) -> ProbeSpec:
    params: dict[str, object] = {"host": "127.0.0.1", "port": port}
    name = f"{prefix}:level:{instance.name}:clock"
    return ProbeSpec(name=name, kind="clock", params=params, every=OFTEN)


def _look_up(instance: Instance, page: Page, name: str, prefix: str) -> ProbeSpec:
    """A look-up by a program of ours that has the same shim and the same page."""
    params: dict[str, object] = {
        "argv": [sys.executable, "-I", "-S", "-c", LOOK_UP, name],
        "env": {"LD_PRELOAD": _library(instance), "SLOPROOF_PAGE": page.path},
    }
    title = f"{prefix}:observed:{instance.name}:{name}"
    return ProbeSpec(name=title, kind="command", params=params, every=LOOKUP, timeout=PATIENCE)


def _library(instance: Instance) -> str:
    """The shim's file as the copy has loaded it."""
    pid = Incarnation.parse(instance.incarnation).pid
    try:
        lines = Path(f"/proc/{pid}/maps").read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise PlatformError(f"{instance.name}: {error}") from error
    found = (line.split(maxsplit=5)[-1] for line in lines if line.endswith(LIBRARY))
    return next(found, "")
