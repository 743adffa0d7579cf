"""Control groups for a system: one for each copy, with a CPU quota and a memory limit.

They lie below one group that is named after the system's folder, so that whoever sweeps the folder
finds them. That takes root (or delegated groups); a system that may not make them goes on without.
Both versions of the kernel's interface will do, as well as a host that mounts both.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PERIOD_US = 100_000
CONTROLLERS = ("cpu", "cpuacct", "memory")
REMOVAL_S = 2.0
WEIGHTS = {"cpu.shares": "16384", "cpu.weight": "1600"}
"""Sixteen times the usual: on a busy host all copies together would get what one process gets."""


class NoCgroups(Exception):
    """Groups can't be made here; the message says why."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one copy may use: processors, and bytes of memory."""

    cpu: float
    memory: int


class Enclosure:
    """The groups of a system's copies; none without limits, or where they can't be made."""

    def __init__(self, folder: Path, limits: Limits | None) -> None:
        self._folder = folder
        self._limits = limits
        self._lacking = "" if limits else "not asked for"

    def of(self, copy: str) -> list[Path]:
        """The groups in which this copy is to be started."""
        if self._limits is None or self._lacking:
            return []
        try:
            return make(self._folder, copy, self._limits)
        except NoCgroups as error:
            self._lacking = str(error)
            return []

    def to_json(self) -> dict[str, Any]:
        """As the state file shows it: whether the limits are in force, else why they aren't."""
        return {"in_force": not self._lacking, "reason": self._lacking}


def make(folder: Path, copy: str, limits: Limits) -> list[Path]:
    """The groups of a copy, made with their limits if need be. Raises `NoCgroups`."""
    try:
        places = [_made(root, unified, folder) / copy for root, unified in _roots()]
        for place in places:
            place.mkdir(exist_ok=True)
            for name, value in _values(limits).items():
                if (place / name).exists():
                    (place / name).write_text(value)
    except OSError as error:
        remove(folder)
        raise NoCgroups(f"no cgroups: {error}") from error
    if not places:
        raise NoCgroups("no cgroups: no hierarchy with the controllers cpu and memory is mounted")
    return places


def enter(places: Iterable[Path]) -> None:
    """Put this process, and all that it will start, into these groups."""
    for place in places:
        (place / "cgroup.procs").write_text("0")


def remove(folder: Path) -> list[Path]:
    """Remove the groups of the system in `folder`; those that somebody is still in."""
    return [top for top in tops(folder) if not _removed(top)]


def tops(folder: Path) -> list[Path]:
    """The groups that hold those of the system in `folder`, one a hierarchy, if they are there."""
    places = (root / _name(folder) for root, _ in _roots())
    return [place for place in places if place.is_dir()]


def _removed(top: Path) -> bool:
    """Whether the group is gone; the kernel takes a moment to let go of the dead."""
    deadline = time.monotonic() + REMOVAL_S
    while top.is_dir():
        try:
            for inner in [*(each for each in top.iterdir() if each.is_dir()), top]:
                inner.rmdir()
        except OSError:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.01)
    return True


def _name(folder: Path) -> str:
    return f"digital-human-{hashlib.sha256(str(folder).encode()).hexdigest()[:12]}"


def _made(root: Path, unified: bool, folder: Path) -> Path:
    top = root / _name(folder)
    top.mkdir(exist_ok=True)
    if unified:
        for level in (root, top):
            (level / "cgroup.subtree_control").write_text("+cpu +memory")
    for name, weight in WEIGHTS.items():
        if (top / name).exists():
            (top / name).write_text(weight)
    return top


def _values(limits: Limits) -> Mapping[str, str]:
    """The limits under the names of both versions; a group has those of its own controllers."""
    quota = str(round(limits.cpu * PERIOD_US))
    return {
        "cpu.cfs_period_us": str(PERIOD_US),
        "cpu.cfs_quota_us": quota,
        "memory.limit_in_bytes": str(limits.memory),
        "cpu.max": f"{quota} {PERIOD_US}",
        "memory.max": str(limits.memory),
    }


def _roots() -> Iterator[tuple[Path, bool]]:
    """Where the hierarchies with our controllers are mounted, and which is of version 2."""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        left, _, right = line.partition(" - ")
        kind, _, options = right.split(" ", 2)
        place = Path(left.split()[4])
        if kind == "cgroup" and set(options.split(",")) & set(CONTROLLERS):
            yield place, False
        elif kind == "cgroup2" and os.access(place / "cgroup.controllers", os.R_OK):
            found = (place / "cgroup.controllers").read_text().split()
            if {"cpu", "memory"} <= set(found):
                yield place, True
