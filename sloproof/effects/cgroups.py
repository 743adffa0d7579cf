"""Control groups: which one a process is in, what it may use, and whether the harness shares it.

Both versions of the kernel's interface are read (Documentation/admin-guide/cgroup-v1 and
cgroup-v2.rst). On a host that mounts both, a controller is where version 1 has it, if it has it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sloproof.errors import EffectError

UNLIMITED = 1 << 60
"""Version 1 writes "no limit" as the largest multiple of a page that fits 63 bits."""


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """A mounted tree of groups: where it is mounted, the group that is its root there, its kind."""

    place: Path
    root: str
    unified: bool
    controllers: frozenset[str]


@dataclass(frozen=True, slots=True)
class Group:
    """A process's group for one controller, and the harness's own of the same hierarchy."""

    folder: Path
    top: Path
    unified: bool
    own: Path

    @property
    def shared(self) -> bool:
        """Whether the harness is in it, or it is the root, in which everybody is."""
        return self._holds_us(self.folder)

    @property
    def members(self) -> Path:
        """The file that lists its processes, and into which one more is written."""
        return self.folder / "cgroup.procs"

    def cpu_limit(self) -> float | None:
        """How many processors it may use, by itself and by those above that are not ours."""
        found = [limit for level in self._levels() if (limit := self._quota(level)) is not None]
        return min(found, default=None)

    def memory_limit(self) -> int | None:
        """How many bytes it may use, by itself and by those above that are not ours."""
        return min((limit for _, limit in self._memory_limits()), default=None)

    def memory_left(self) -> int:
        """How many bytes it may still take. File pages that can be dropped at once don't count."""
        found = (limit - self._working_set(level) for level, limit in self._memory_limits())
        return min(found, default=0)

    def _memory_limits(self) -> Iterator[tuple[Path, int]]:
        name = "memory.max" if self.unified else "memory.limit_in_bytes"
        for level in self._levels():
            text = _read(level / name)
            if text.isdecimal() and int(text) < UNLIMITED:
                yield level, int(text)

    def _working_set(self, level: Path) -> int:
        usage = _read(level / ("memory.current" if self.unified else "memory.usage_in_bytes"))
        idle = "inactive_file" if self.unified else "total_inactive_file"
        return int(usage or 0) - figures(level / "memory.stat").get(idle, 0)

    def _quota(self, level: Path) -> float | None:
        if self.unified:
            quota, _, period = _read(level / "cpu.max").partition(" ")
        else:
            quota, period = (_read(level / f"cpu.cfs_{what}_us") for what in ("quota", "period"))
        return int(quota) / int(period) if quota.isdecimal() else None

    def _levels(self) -> Iterator[Path]:
        """The group and those above it, as far as the harness isn't in them."""
        for level in (self.folder, *self.folder.parents):
            if self._holds_us(level):
                return
            yield level

    def _holds_us(self, level: Path) -> bool:
        return level in (self.top, self.own) or level in self.own.parents


def group_of(pid: int, controller: str) -> Group:
    """The group of a process for `controller`; raises `EffectError` where none can be seen."""
    hierarchies = list(_mounted())
    if controller == "cpuacct" and not any(controller in one.controllers for one in hierarchies):
        controller = "cpu"  # version 2 accounts in every group
    hierarchy = _hierarchy(hierarchies, controller)
    folder, own = (_folder(hierarchy, who, controller) for who in (pid, os.getpid()))
    return Group(folder, hierarchy.place, hierarchy.unified, own)


def figures(path: Path) -> Mapping[str, int]:
    """The named numbers of a file such as `cpu.stat`; none where it isn't there."""
    pairs = (line.split() for line in _read(path).splitlines())
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2}


def _hierarchy(hierarchies: Sequence[Hierarchy], controller: str) -> Hierarchy:
    found = [one for one in hierarchies if controller in one.controllers]
    if not found:
        raise EffectError(f"no cgroup hierarchy with the controller {controller} is mounted here")
    return min(found, key=lambda one: one.unified)


def _mounted() -> Iterator[Hierarchy]:
    """The hierarchies of this mount namespace; proc(5) names the columns of `mountinfo`."""
    for line in _read(Path("/proc/self/mountinfo")).splitlines():
        left, _, right = line.partition(" - ")
        kind, _, options = right.split(" ", 2)
        root, place = left.split()[3:5]
        if kind == "cgroup2":
            names = _read(Path(place, "cgroup.controllers")).split()
            yield Hierarchy(Path(place), root, unified=True, controllers=frozenset(names))
        elif kind == "cgroup":
            names = options.split(",")
            yield Hierarchy(Path(place), root, unified=False, controllers=frozenset(names))


def _folder(hierarchy: Hierarchy, pid: int, controller: str) -> Path:
    for line in _read(Path(f"/proc/{pid}/cgroup")).splitlines():
        _, controllers, path = line.split(":", 2)
        wanted = not controllers if hierarchy.unified else controller in controllers.split(",")
        if not wanted:
            continue
        inside = os.path.relpath(path, hierarchy.root)
        if inside.startswith(".."):
            raise EffectError(f"the cgroup {path} of process {pid} is not visible from here")
        return hierarchy.place / inside
    raise EffectError(f"process {pid} is in no cgroup with the controller {controller}")


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
