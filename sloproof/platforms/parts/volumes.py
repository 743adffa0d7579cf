"""Volumes of processes of this host: filled, broken, slowed by effects on their file systems."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sloproof.contracts import (
    BreaksVolumes,
    Duration,
    Effect,
    FillsVolumes,
    ProbeSpec,
    Ratio,
    Sense,
    Size,
    SlowsVolumes,
    Witness,
)
from sloproof.effects.broken_volume import BrokenVolume
from sloproof.effects.fill import OFF, Fill, margin
from sloproof.effects.incarnation import Incarnation
from sloproof.effects.loop_device import Backing
from sloproof.effects.place import Place, namespace_of
from sloproof.effects.room import free_of, size_of
from sloproof.effects.slow_volume import SlowVolume, control_of
from sloproof.effects.witness import witness_to_json
from sloproof.errors import Lacking, PlatformError
from sloproof.model.state_folder import state_dir
from sloproof.model.stores import Volume
from sloproof.platforms.parts.described import Described

OFTEN = Duration(50_000_000)
SELDOM = Duration(500_000_000)
ASKS = (6, 14)
"""The first Linux that knows events before a read or a write."""
TOOLS = ("mount", "umount", "nsenter")


@dataclass(frozen=True, slots=True)
class Located:
    """A volume as it is now: where, on which device, how large, what is free on it in all."""

    place: Place
    device: int
    size: int
    budget: int


class Volumes(Described, FillsVolumes, BreaksVolumes, SlowsVolumes):
    """A target whose file names volumes."""

    def fill(self, volume: str, used: Ratio | None, free: Size | None, hold: bool) -> Effect:
        """A file of our own. Raises `PlatformError` for what is no volume of a size of its own."""
        found = self._located(volume)
        left = free.bytes if free is not None else 0
        if used is not None:
            left = round(found.size * (1 - used.value))
        if left >= found.size:
            raise PlatformError(
                f"volume {volume} holds {_mib(found.size)}: leaving {_mib(left)} fills nothing"
            )
        sense = Sense.FREE if hold else Sense.SCARCE
        return Fill(
            volume=volume,
            path=found.place.path,
            namespace=found.place.namespace,
            device=found.device,
            free=left,
            budget=found.budget,
            holder=self.target.volumes[volume].instance,
            seen_by=witness_to_json(
                Witness(
                    sense=sense,
                    probes=(_probe(f"witness:{sense}:{volume}", found, OFTEN),),
                    expected=float(left),
                    unit="B",
                    tolerance=float(OFF),
                )
            ),
        )

    def break_volume(self, volume: str) -> Effect:
        """A shutdown of its file system, which has to be an ext4 on a loop device."""
        found = self._located(volume)
        mount = found.place.mount()
        if found.budget or mount is None:
            raise Lacking(
                f"volume {volume} is a plain folder with a budget: it can't fail without all that "
                "is beside it. Mount a small ext4 there (see `volumes` in docs/targets.md)"
            )
        if mount.kind != "ext4" or Backing.of(mount.source) is None:
            raise Lacking(
                f"volume {volume} is {mount.kind} on {mount.source}: only an ext4 on a loop device "
                "can be made to fail and be healed (see `volumes` in docs/targets.md)"
            )
        probe = _probe(f"witness:{Sense.FAILING}:{volume}", found, OFTEN, write=True)
        return BrokenVolume(
            volume=volume,
            path=found.place.path,
            namespace=found.place.namespace,
            holder=self.target.volumes[volume].instance,
            seen_by=witness_to_json(Witness(sense=Sense.FAILING, probes=(probe,))),
        )

    def slow_volume(self, volume: str, delay: Duration) -> Effect:
        """By the watcher that was armed with the volume; the witness meets two delays."""
        found = self._located(volume)
        control = Place(control_of(found.place.path), found.place.namespace).reached
        if not Path(control).exists():
            raise Lacking(
                f"volume {volume} was not armed for slow I/O: start the target by "
                "`sloproof arm --slow-disk …` (see `volumes` in docs/targets.md)"
            )
        expected = 2 * delay.seconds
        patience = Duration.of(1 + 2 * expected)
        probe = _probe(f"witness:{Sense.DELAY}:{volume}", found, OFTEN, write=True)
        witness = Witness(
            sense=Sense.DELAY,
            probes=(replace(probe, timeout=patience),),
            expected=expected,
            unit="s",
            tolerance=max(0.05 * expected, 0.002),
        )
        return SlowVolume(
            volume=volume,
            path=found.place.path,
            namespace=found.place.namespace,
            delay_ns=delay.ns,
            holder=self.target.volumes[volume].instance,
            seen_by=witness_to_json(witness),
        )

    def neighbours(self, effect: Effect, struck: Collection[str]) -> Sequence[Witness]:
        """The other volumes for a volume."""
        if not isinstance(effect, Fill | BrokenVolume | SlowVolume):
            return super().neighbours(effect, struck)
        seen = effect.witness()
        if seen is None:
            return ()
        found: list[Witness] = []
        for name in self.volumes():
            if name not in {effect.volume, *struck}:
                with suppress(PlatformError):  # what isn't there can't be affected
                    found.append(self._volumes_beside(name, seen.sense))
        return found

    def lacks(self, capability: type) -> str:
        """Breaking a volume takes root, and the tools by which it is mounted anew."""
        if capability is BreaksVolumes:
            if os.geteuid() != 0:
                return "disk errors need root: they shut a file system down and mount it anew"
            missing = [tool for tool in TOOLS if shutil.which(tool) is None]
            if missing:
                return f"disk errors need {', '.join(missing)}: install util-linux"
        if capability is SlowsVolumes and _kernel() < ASKS:
            return (
                "slow I/O needs Linux 6.14 or later, which asks a watcher before each read and "
                f"write; this is {os.uname().release}"
            )
        return super().lacks(capability)

    def _volumes_beside(self, name: str, sense: Sense) -> Witness:
        found = self._located(name)
        write = sense in (Sense.FAILING, Sense.DELAY)
        return Witness(sense, (_probe(f"neighbour:{sense}:{name}", found, SELDOM, write=write),))

    def _located(self, name: str) -> Located:
        volume = self.target.volumes.get(name)
        if volume is None:
            known = ", ".join(sorted(self.target.volumes)) or "none"
            raise PlatformError(f"the target has no volume {name}; it declares: {known}")
        place = self._place(volume)
        try:
            folder = place.open()
        except OSError as error:
            raise PlatformError(f"volume {name}: {place.path}: {error.strerror}") from error
        try:
            device, size, free = os.fstat(folder).st_dev, size_of(folder), free_of(folder)
        finally:
            os.close(folder)
        if volume.budget is not None:
            self._check_budget(name, place, size, free)
            return Located(place, device, volume.budget.bytes, volume.budget.bytes)
        self._check_mount(name, place, device)
        return Located(place, device, size, 0)

    def _place(self, volume: Volume) -> Place:
        """As this process sees it, or as the target's processes do that have mounted it."""
        path = str(Path(self.target.folder, volume.path))
        if volume.budget is not None or Place(path).mount() is not None:
            return Place(path)
        for namespace in self._namespaces():
            if Place(path, namespace).mount() is not None:
                return Place(path, namespace)
        return Place(path)

    def _namespaces(self) -> list[str]:
        """Each mount namespace but our own in which a copy of the target lives."""
        lives = [copy.incarnation for copy in self.instances() if copy.incarnation]
        seen = {namespace_of(Incarnation.parse(life).pid) for life in lives}
        return sorted(seen - {namespace_of("self"), ""})

    def _check_mount(self, name: str, place: Place, device: int) -> None:
        if place.mount() is None:
            raise Lacking(
                f"volume {name}: nothing is mounted at {place.path}: a volume has a size of its "
                "own. Mount a small file system there, or give it a `budget` "
                "(see `volumes` in docs/targets.md)"
            )
        for kept in self._harness():
            if device == kept.stat().st_dev:
                raise PlatformError(f"volume {name} holds {kept}: that is never filled nor broken")

    def _check_budget(self, name: str, place: Place, size: int, free: int) -> None:
        folder = Path(place.path).resolve()
        for kept in self._harness():
            if kept.resolve().is_relative_to(folder):
                raise PlatformError(f"volume {name} holds {kept}: that is never filled")
        if free < margin(size):
            raise PlatformError(
                f"volume {name}: the file system below has {_mib(free)} left, and "
                f"{_mib(margin(size))} have to stay free"
            )

    def _harness(self) -> list[Path]:
        """What the harness itself writes to, so far as it is there, and the root."""
        places = [Path("/"), Path(tempfile.gettempdir()), self.work.absolute(), state_dir()]
        return [next(each for each in (place, *place.parents) if each.exists()) for place in places]


def _probe(name: str, found: Located, every: Duration, *, write: bool = False) -> ProbeSpec:
    params: dict[str, Any] = {"path": found.place.reached, "write": write}
    if found.budget and not write:
        params["budget"] = f"{found.budget}B"
    return ProbeSpec(name=name, kind="disk", params=params, every=every)


def _kernel() -> tuple[int, ...]:
    """The version of the running kernel, so far as it is numbers."""
    return tuple(int(each) for each in re.findall(r"\d+", os.uname().release)[:2])


def _mib(size: int) -> str:
    return f"{size / OFF:.6g} MiB"
