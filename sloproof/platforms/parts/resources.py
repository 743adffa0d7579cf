"""Processor time and memory taken from instances, inside of their own control groups."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

from sloproof.contracts import (
    Duration,
    Effect,
    Instance,
    LoadsCpu,
    PressesMemory,
    ProbeSpec,
    Ratio,
    Sense,
    Size,
    Witness,
)
from sloproof.effects.cgroups import Group, group_of
from sloproof.effects.incarnation import Incarnation
from sloproof.effects.stress import Stress
from sloproof.effects.witness import witness_to_json
from sloproof.errors import EffectError, Lacking, PlatformError
from sloproof.platforms.parts.described import Described

OFTEN = Duration(200_000_000)
"""Two periods of the kernel's quota: shorter, and a burst would look like more than it is."""
OURS = 0.5
"""So much of a processor must be left to the harness whatever the target's group takes."""
FREE = 16 << 20
"""So many bytes of a group stay free: the target itself may need some while the fault lasts."""


class Pressed(Described, LoadsCpu, PressesMemory):
    """A target of processes, each copy in a control group of its own with limits of its own."""

    def load_cpu(self, instance: Instance, cores: int, load: Ratio) -> Effect:
        """Busy processes of ours in the copy's group.

        Raises `PlatformError` where the group is not the copy's own, has no quota, or has one that
        leaves the harness nothing or the fault too little.
        """
        group, usage = self._group(instance, "cpu"), self._group(instance, "cpuacct")
        wanted = cores * float(load)
        limit = group.cpu_limit()
        if limit is None:
            raise Lacking(_unlimited(instance, group, "CPU quota", "cpu.max", "cpu.cfs_*_us"))
        if limit > (most := (os.cpu_count() or 1) - OURS):
            raise PlatformError(
                f"{instance.name} may use {limit:g} processors of {os.cpu_count()}, which leaves "
                f"the harness less than {OURS:g}: lower its quota to {most:g}"
            )
        if wanted > limit:
            raise PlatformError(
                f"{instance.name} may use {limit:g} processors: {wanted:g} can't be taken from it"
            )
        tolerance = max(0.05 * wanted, 0.03)
        return Stress(
            instance=instance.name,
            members=_members(group, usage),
            work=("burn", str(cores), str(float(load))),
            words=f"{cores} × {load} CPU",
            seen_by=_seen(instance, "cpu", (usage, group), wanted, tolerance),
        )

    def press_memory(self, instance: Instance, size: Size) -> Effect:
        """A process of ours in the copy's group that holds memory.

        Raises `PlatformError` where the group is not the copy's own, has no limit, or has too
        little left: the fault takes what is free, and kills nobody.
        """
        group = self._group(instance, "memory")
        limit = group.memory_limit()
        if limit is None:
            names = ("memory.max", "memory.limit_in_bytes")
            raise Lacking(_unlimited(instance, group, "memory limit", *names))
        left = max(0, group.memory_left() - FREE)
        if size.bytes > left:
            raise PlatformError(
                f"{instance.name} has a limit of {Size(limit)} and {left >> 20}MiB left to take "
                f"beside {Size(FREE)} for itself: {size} more would kill what is in there"
            )
        return Stress(
            instance=instance.name,
            members=_members(group),
            work=("hold", str(size.bytes)),
            words=f"{size} of memory",
            seen_by=_seen(instance, "memory", (group,), float(size.bytes), 0.05 * size.bytes),
        )

    def neighbours(self, effect: Effect, struck: Collection[str]) -> Sequence[Witness]:
        """The groups of the other copies, as far as they have any of their own."""
        seen = effect.witness()
        if seen is None or not isinstance(effect, Stress):
            return super().neighbours(effect, struck)
        measure = str(seen.probes[0].params["measure"])
        found = []
        for copy in self.instances():
            if copy.name in struck:
                continue
            try:
                groups = [self._group(copy, name) for name in _CONTROLLERS[measure]]
            except PlatformError:
                continue
            probe = _probe(copy, "neighbour", measure, groups)
            found.append(replace(seen, probes=(probe,)))
        return found

    def _group(self, instance: Instance, controller: str) -> Group:
        """The group that is this copy's and nobody else's."""
        group = _group_of(instance, controller)
        if group.shared:
            raise Lacking(
                f"{instance.name} is in the {controller} cgroup {group.folder}, where the harness "
                "is, too: start it in one of its own, with a limit (systemd-run --scope -p "
                "CPUQuota=50% -p MemoryMax=512M, or what starts your services)"
            )
        for other in self.instances():
            if other.name != instance.name and _group_of(other, controller).folder == group.folder:
                raise PlatformError(
                    f"{instance.name} and {other.name} share the {controller} cgroup "
                    f"{group.folder}: what is done to one is done to both; start each in its own"
                )
        return group


_CONTROLLERS = {"cpu": ("cpuacct", "cpu"), "memory": ("memory",)}


def _group_of(instance: Instance, controller: str) -> Group:
    pid = Incarnation.parse(instance.incarnation).pid
    try:
        return group_of(pid, controller)
    except EffectError as error:
        raise PlatformError(f"{instance.name}: {error}") from error


def _unlimited(instance: Instance, group: Group, what: str, new: str, old: str) -> str:
    name = new if group.unified else old
    return (
        f"{instance.name} has no {what}, so this would reach everybody on the host: set {name} in "
        f"{group.folder}"
    )


def _members(*groups: Group) -> tuple[str, ...]:
    return tuple(dict.fromkeys(str(group.members) for group in groups))


def _seen(
    instance: Instance, measure: str, groups: Sequence[Group], expected: float, tolerance: float
) -> dict[str, Any]:
    probe = _probe(instance, "witness", measure, groups)
    unit = {"cpu": "cores", "memory": "B"}[measure]
    return witness_to_json(Witness(Sense.LEVEL, (probe,), expected, unit, tolerance))


def _probe(instance: Instance, prefix: str, measure: str, groups: Sequence[Group]) -> ProbeSpec:
    params: dict[str, object] = {"folder": str(groups[0].folder), "measure": measure}
    if groups[-1].folder != groups[0].folder:
        params["limiter"] = str(groups[-1].folder)
    name = f"{prefix}:level:{instance.name}:{measure}"
    return ProbeSpec(name=name, kind="cgroup", params=params, every=OFTEN)
