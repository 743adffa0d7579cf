"""A target of processes on this host."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from sloproof.contracts import (
    Duration,
    Effect,
    Instance,
    KillMode,
    Kills,
    Pauses,
    ProbeSpec,
    Sense,
    Witness,
)
from sloproof.effects.finder import Finder
from sloproof.effects.incarnation import Incarnation
from sloproof.effects.kill import Kill
from sloproof.effects.pause import Pause
from sloproof.effects.process import Process
from sloproof.effects.witness import witness_to_json
from sloproof.errors import PlatformError
from sloproof.model.target import Finder as FinderSpec
from sloproof.platforms.parts.armed import Armed
from sloproof.platforms.parts.files import LimitsFiles
from sloproof.platforms.parts.packets import Packets
from sloproof.platforms.parts.resources import Pressed
from sloproof.platforms.parts.stores import Stored
from sloproof.platforms.parts.volumes import Volumes

OFTEN = Duration(20_000_000)


class Local(Stored, LimitsFiles, Packets, Volumes, Armed, Pressed, Kills, Pauses):
    """Processes of this host, found by port, pid file or command line."""

    kind: ClassVar[str] = "local"

    def start(self) -> Sequence[Effect]:
        """The process of the target's `start:` command, which takes all that it starts along."""
        target = self.target
        if target.start is None:
            return ()
        return (
            Process(
                argv=target.start.command,
                words=f"target {target.name}",
                log=str(self.work / "target.log"),
                folder=target.folder,
                stop=target.stop.command if target.stop else (),
                stop_within=target.stop.within.seconds if target.stop else 0.0,
                target=True,
            ),
        )

    def ready(self) -> str:
        """Every copy that the file names must be there."""
        missing = [
            copy.name
            for service in self.target.services.values()
            for copy in service.instances
            if self._finder(copy).find() is None
        ]
        return f"no process found for {', '.join(missing)}" if missing else ""

    def instances(self) -> Sequence[Instance]:
        """The copies that live now, each with its incarnation."""
        found: list[Instance] = []
        for name, service in self.target.services.items():
            for copy in service.instances:
                life = self._finder(copy).find()
                if life is not None:
                    labels = dict(copy.labels)
                    region = service.region_of(copy)
                    found.append(Instance(copy.name, name, str(life), region, labels))
        return tuple(found)

    def kill(self, instance: Instance, mode: KillMode, signal: str, grace: Duration) -> Effect:
        """A signal to the process. `delete` asks with SIGTERM first, as a scheduler does."""
        finder = self._finder(self._spec(instance))
        restore = self.target.services[instance.service].restore
        delete = mode is KillMode.DELETE
        return Kill(
            incarnation=instance.incarnation,
            instance=instance.name,
            signal="TERM" if delete else signal,
            grace_ns=max(grace.ns, 1) if delete else grace.ns,
            finder=finder.to_json(),
            restore=tuple(
                word.replace("{instance}", instance.name)
                for word in (restore.command if restore else ())
            ),
            restore_timeout=restore.within.seconds if restore else 10.0,
            folder=self.target.folder,
            seen_by=_life_witness(instance, Sense.GONE),
        )

    def pause(self, instance: Instance) -> Effect:
        """SIGSTOP, and SIGCONT to undo it."""
        return Pause(
            incarnation=instance.incarnation,
            instance=instance.name,
            seen_by=_life_witness(instance, Sense.STOPPED),
        )

    def neighbours(self, effect: Effect, struck: Collection[str]) -> Sequence[Witness]:
        """The other links for a link; the other copies' processes for a process."""
        seen = effect.witness()
        if seen is None or not isinstance(effect, Kill | Pause):
            return super().neighbours(effect, struck)
        others = [copy for copy in self.instances() if copy.name not in struck]
        return [replace(_witness(copy, seen.sense, "neighbour"), of=copy.name) for copy in others]

    def found_by(self, instance: str) -> Mapping[str, Any]:
        """The finder of its file."""
        for service in self.target.services.values():
            for copy in service.instances:
                if copy.name == instance:
                    return self._finder(copy).to_json()
        return {}

    def _spec(self, instance: Instance) -> FinderSpec:
        for copy in self.target.services[instance.service].instances:
            if copy.name == instance.name:
                return copy
        raise PlatformError(f"the target names no copy {instance.name} of {instance.service}")

    def _finder(self, spec: FinderSpec) -> Finder:
        pid_file = str(Path(self.target.folder) / spec.pid_file) if spec.pid_file else ""
        listens = int(spec.listens) if spec.listens is not None else None
        return Finder(listens, pid_file, spec.command_line)


def _witness(instance: Instance, sense: Sense, prefix: str) -> Witness:
    life = Incarnation.parse(instance.incarnation)
    probe = ProbeSpec(
        name=f"{prefix}:{sense}:{instance.name}:{life.pid}",
        kind="process",
        params={"pid": life.pid, "start_time": life.start, "boot_id": life.boot},
        every=OFTEN,
    )
    return Witness(sense=sense, probes=(probe,))


def _life_witness(instance: Instance, sense: Sense) -> dict[str, object]:
    return witness_to_json(_witness(instance, sense, "witness"))
