"""What every platform takes from the target's own file: addresses, switches, commands."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sloproof.contracts import (
    Duration,
    Effect,
    Instance,
    Link,
    Platform,
    ProbeSpec,
    Ratio,
    RunsCommands,
    Sense,
    Switches,
    Witness,
)
from sloproof.effects.command import Command
from sloproof.effects.switch import Switch
from sloproof.effects.witness import witness_to_json
from sloproof.errors import PlatformError
from sloproof.model.addressing import Command as CommandSpec
from sloproof.model.addressing import HttpCall
from sloproof.model.target import SwitchSpec, Target

STATUS_TOLERANCE = 0.1


class Described(Platform, Switches, RunsCommands):
    """A target as its file describes it, whoever runs it."""

    def __init__(self, target: Target, *, run: str, work: Path) -> None:
        self.target = target
        self.run = run
        self.work = work

    def start(self) -> Sequence[Effect]:
        """Nothing: it isn't ours to start."""
        return ()

    def found(self) -> Mapping[str, Any] | None:
        """The JSON of the file or command that the target's `discover` names."""
        discover = self.target.discover
        if discover is None:
            return {}
        try:
            if discover.command:
                text = subprocess.run(
                    discover.command,
                    capture_output=True,
                    timeout=5,
                    check=True,
                    cwd=self.target.folder,
                ).stdout.decode()
            else:
                text = (Path(self.target.folder) / str(discover.file)).read_text("utf-8")
            values: dict[str, Any] = json.loads(text)
        except (OSError, ValueError, subprocess.SubprocessError):
            return None
        return values

    def attach(self, target: Target) -> None:
        """Take the completed model."""
        self.target = target

    def ready(self) -> str:
        """Ready as far as anybody can tell: its probes will say more."""
        return ""

    def instances(self) -> Sequence[Instance]:
        """The copies that the file names; their lives can't be told apart from here."""
        return tuple(
            Instance(
                name=copy.name,
                service=name,
                incarnation="",
                region=service.region_of(copy),
                labels=dict(copy.labels),
            )
            for name, service in self.target.services.items()
            for copy in service.instances
        )

    def volumes(self) -> Sequence[str]:
        """The volumes that the file names."""
        return tuple(self.target.volumes)

    def holder_of(self, volume: str) -> Instance | None:
        """The copy that the file names for it."""
        return self._called(self.target.volumes[volume].instance)

    def kept_on(self, volume: str) -> Instance | None:
        """The copy that the file says it keeps, else the one that it names for it."""
        found = self.target.volumes[volume]
        return self._called(found.keeps or found.instance)

    def _called(self, name: str) -> Instance | None:
        return next((copy for copy in self.instances() if copy.name == name), None)

    def stores_of(self, instance: Instance) -> Sequence[str]:
        """The stores that name this instance among their copies."""
        return [
            name
            for name, store in self.target.stores.items()
            if any(copy.instance == instance.name for copy in store.copies)
        ]

    def links(self) -> Sequence[Link]:
        """The links that the file names."""
        return tuple(
            Link(
                name=link.proxy.name if link.proxy else f"{link.source}-{link.to}",
                source=link.source,
                target=link.to,
                source_instance=link.source_instance,
                target_instance=link.target_instance,
                entry=link.entry,
                source_region=self.target.region_at(link.source, link.source_instance),
                target_region=self.target.region_at(link.to, link.target_instance),
            )
            for link in self.target.links
        )

    def neighbours(self, effect: Effect, struck: Collection[str]) -> Sequence[Witness]:
        """None that can be seen from here."""
        return ()

    def command(
        self,
        apply: Sequence[str],
        undo: Sequence[str],
        observe: Sequence[str],
        timeout: Duration,
    ) -> Effect:
        """The user's own commands, run in the target's folder."""
        witness: dict[str, Any] = {}
        if observe:
            probe = ProbeSpec(
                name=f"witness:observed:{_known_by(observe)}",
                kind="command",
                params={"argv": list(observe), "folder": self.target.folder, "inverted": True},
                every=Duration(500_000_000),
                timeout=timeout,
            )
            witness = witness_to_json(Witness(sense=Sense.OBSERVED, probes=(probe,)))
        return Command(
            apply_=tuple(apply),
            undo_=tuple(undo),
            observe=tuple(observe),
            timeout=timeout.seconds,
            folder=self.target.folder,
            seen_by=witness,
        )

    def switch(self, instance: Instance, name: str, values: Mapping[str, object]) -> Effect:
        """A switch that the file declares, set to these values."""
        found = self.target.switches.get(name)
        if found is None:
            known = ", ".join(sorted(self.target.switches)) or "none"
            raise PlatformError(f"the target has no switch {name}; it declares: {known}")
        return self._switch(instance, name, found, values)

    def fail_requests(self, instance: Instance, status: int, share: Ratio) -> Effect:
        """The switch of this instance that the file marks with `fails_requests`."""
        for name, spec in self.target.switches.items():
            at = spec.instance or instance.name
            if spec.fails_requests and spec.service == instance.service and at == instance.name:
                values = {"status": status, "share": float(share)}
                return self._switch(instance, name, spec, values)
        raise PlatformError(
            f"no switch of {instance.name} is marked `fails_requests: true` in {self.target.origin}"
        )

    def _switch(
        self, instance: Instance, name: str, spec: SwitchSpec, values: Mapping[str, object]
    ) -> Effect:
        return Switch(
            instance=instance.name,
            name=name,
            read=_act(spec.read, {}),
            set=_act(spec.set, values),
            reset=_act(spec.reset, {}),
            folder=self.target.folder,
            seen_by=_status_witness(instance, spec, values),
        )


def _known_by(argv: Sequence[str]) -> str:
    """A command in a name: its program and which of all calls of it, but no argument."""
    digest = hashlib.sha256("\0".join(argv).encode()).hexdigest()
    return f"{Path(argv[0]).name}:{digest[:8]}"


def _act(spec: HttpCall | CommandSpec, values: Mapping[str, object]) -> dict[str, Any]:
    if isinstance(spec, CommandSpec):
        return {"command": [_filled(word, values) for word in spec.command]}
    return {
        "method": spec.method,
        "url": spec.url,
        "json": _filled(dict(spec.json), values) if spec.json is not None else None,
    }


def _filled(value: Any, values: Mapping[str, object]) -> Any:
    """`value` with each `{NAME}` replaced; a word that is nothing else keeps the value's type."""
    if isinstance(value, dict):
        return {key: _filled(inner, values) for key, inner in value.items()}
    if isinstance(value, str):
        for name, replacement in values.items():
            if value == f"{{{name}}}":
                return replacement
            value = value.replace(f"{{{name}}}", str(replacement))
    return value


def _status_witness(
    instance: Instance, spec: SwitchSpec, values: Mapping[str, object]
) -> dict[str, Any]:
    if spec.witness is None:
        return {}
    call = asdict(spec.witness)
    probe = ProbeSpec(
        name=f"witness:status:{instance.name}",
        kind="http",
        params={"method": call["method"], "url": call["url"], "json": call["json"]},
        every=Duration(50_000_000),
    )
    share = values.get("share")
    witness = Witness(
        sense=Sense.STATUS,
        probes=(probe,),
        expected=float(share) if isinstance(share, (int, float)) else None,
        unit="ratio",
        tolerance=STATUS_TOLERANCE,
    )
    return witness_to_json(witness)
