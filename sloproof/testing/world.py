"""A world in memory and on one file: a platform, a load and a prober on a simulated clock.

Its state is a JSON file, so that its effects can be undone by any process, as the laws ask. Time
passes only when the clock is told to; whole experiments run in milliseconds.
"""

from __future__ import annotations

import fcntl
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from sloproof.contracts import (
    CutMode,
    CutsLinks,
    DelaysLinks,
    Direction,
    Duration,
    Effect,
    Instance,
    Json,
    KillMode,
    Kills,
    Link,
    Pauses,
    Platform,
    ProbeSpec,
    Sense,
    Undone,
    Witness,
)
from sloproof.effects.witness import witness_from_json, witness_to_json

Changes = dict[str, dict[str, Any]]


@dataclass(slots=True)
class World:
    """The file: what is changed now, by subject and property, and how often each copy was born."""

    path: Path
    _read: tuple[int, int] = (0, 0)
    _changes: Changes = field(default_factory=dict)
    _lives: dict[str, int] = field(default_factory=dict)

    def changes(self) -> Changes:
        """What is changed now: `{subject: {property: value}}`; not to be written to."""
        self._refresh()
        return self._changes

    def value(self, subject: str, what: str) -> Any:
        """A property that is changed now, or None."""
        return self.changes().get(subject, {}).get(what)

    def change(self, subject: str, what: str, value: Any) -> None:
        """Change a property; None puts it back."""
        with self._open() as state:
            properties = state["changes"].setdefault(subject, {})
            properties.pop(what, None)
            if value is not None:
                properties[what] = value

    def life(self, copy: str) -> int:
        """Which life this copy is in; the first is 1."""
        self._refresh()
        return self._lives.get(copy, 1)

    def revive(self, copy: str) -> None:
        """A dead copy lives anew."""
        with self._open() as state:
            state["changes"].get(copy, {}).pop("dead", None)
            state["lives"][copy] = state["lives"].get(copy, 1) + 1

    def _refresh(self) -> None:
        """Read the file anew if somebody has written to it."""
        try:
            stat = self.path.stat()
        except FileNotFoundError:
            self._changes, self._lives = {}, {}
            return
        stamp = (stat.st_mtime_ns, stat.st_size)
        if stamp != self._read:
            with self._open() as state:
                self._read = stamp
                self._changes, self._lives = state["changes"], state["lives"]

    @contextmanager
    def _open(self) -> Iterator[dict[str, Any]]:
        with self.path.open("a+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            text = file.read()
            state = json.loads(text) if text else {"changes": {}, "lives": {}}
            yield state
            after = json.dumps(state)
            if after != text:
                file.seek(0)
                file.truncate()
                file.write(after)


@dataclass(frozen=True, kw_only=True)
class Change(Effect):
    """One property of one subject of the world changed, and put back."""

    kind: ClassVar[str] = "world_change"

    world: str
    subject: str
    what: str
    value: Any
    sense: str = ""
    life: int = 0
    seen_by: Json = field(default_factory=dict)

    def capture(self) -> Json:
        """The property as it is."""
        return {"before": World(Path(self.world)).value(self.subject, self.what)}

    def apply(self, prior: Json) -> None:
        """Change it."""
        World(Path(self.world)).change(self.subject, self.what, self.value)

    def undo(self, prior: Json) -> Undone:
        """Put it back if it is as we left it."""
        world = World(Path(self.world))
        now = world.value(self.subject, self.what)
        if now == prior["before"]:
            return Undone.ABSENT
        if now != self.value:
            return Undone.FOREIGN
        world.change(self.subject, self.what, prior["before"])
        return Undone.REVERTED

    def present(self, prior: Json) -> bool:
        """Whether it is as we left it, and was not before."""
        now = World(Path(self.world)).value(self.subject, self.what)
        return bool(now == self.value != prior["before"])

    def witness(self) -> Witness | None:
        """A probe of the world."""
        return witness_from_json(self.seen_by)

    def concerns(self) -> str:
        """The subject."""
        return self.subject

    def touches(self) -> str:
        """The subject."""
        return self.subject

    def __str__(self) -> str:
        return f"{self.what} {self.value} on {self.subject}"


@dataclass(frozen=True, kw_only=True)
class Death(Change):
    """A copy that dies; a lasting change, which a healer or the harness's undo ends."""

    kind: ClassVar[str] = "world_death"
    lasting: ClassVar[bool] = True

    def undo(self, prior: Json) -> Undone:
        """Let it live anew if nobody has."""
        if not self.present(prior):
            return Undone.ABSENT
        World(Path(self.world)).revive(self.subject)
        return Undone.REVERTED


class Memory(Platform, Kills, Pauses, DelaysLinks, CutsLinks):
    """The platform of the world: services with copies, links between services."""

    kind: ClassVar[str] = "memory"

    def __init__(
        self,
        world: World,
        services: Mapping[str, int],
        links: Sequence[tuple[str, str]] = (),
    ) -> None:
        self.world = world
        self._services = services
        self._links = links

    def start(self) -> Sequence[Effect]:
        """It runs already."""
        return ()

    def found(self) -> Mapping[str, Any]:
        """There is nothing to find."""
        return {}

    def attach(self, target: Any) -> None:
        """Nothing needs an address."""

    def ready(self) -> str:
        """Always."""
        return ""

    def instances(self) -> Sequence[Instance]:
        """The copies that live."""
        changes = self.world.changes()
        return tuple(
            Instance(name, service, str(self.world.life(name)))
            for service, count in self._services.items()
            for name in (f"{service}-{number}" for number in range(1, count + 1))
            if not changes.get(name, {}).get("dead")
        )

    def links(self) -> Sequence[Link]:
        """The links, every request of the load crossing the first."""
        return tuple(
            Link(f"{source}-{target}", source, target, entry=number == 0)
            for number, (source, target) in enumerate(self._links)
        )

    def neighbours(self, effect: Effect, struck: Collection[str]) -> Sequence[Witness]:
        """Nothing stands beside."""
        return ()

    def kill(self, instance: Instance, mode: KillMode, signal: str, grace: Duration) -> Effect:
        """A death."""
        seen = self._seen(instance.name, "dead", Sense.GONE, life=int(instance.incarnation))
        return Death(
            world=str(self.world.path),
            subject=instance.name,
            what="dead",
            value=int(instance.incarnation),
            seen_by=seen,
        )

    def pause(self, instance: Instance) -> Effect:
        """A stop."""
        return self._change(instance.name, "stopped", True, Sense.STOPPED)

    def delay(self, link: Link, delay: Duration, jitter: Duration, direction: Direction) -> Effect:
        """A delay of the link."""
        return self._change(link.name, "delay", delay.seconds, Sense.DELAY, delay.seconds)

    def cut(self, link: Link, mode: CutMode) -> Effect:
        """A cut of the link."""
        return self._change(link.name, "cut", str(mode), Sense.REFUSED)

    def _change(
        self, subject: str, what: str, value: Any, sense: Sense, size: float | None = None
    ) -> Effect:
        return Change(
            world=str(self.world.path),
            subject=subject,
            what=what,
            value=value,
            seen_by=self._seen(subject, what, sense, size),
        )

    def _seen(
        self, subject: str, what: str, sense: Sense, size: float | None = None, life: int = 0
    ) -> dict[str, Any]:
        """A death is that of one `life`: it stays one when the copy lives anew."""
        probe = ProbeSpec(
            name=f"witness:{what}:{subject}" + (f":{life}" if life else ""),
            kind="world",
            params={"subject": subject, "what": what, "life": life},
            every=Duration(50_000_000),
        )
        tolerance = 0.002 if size is not None else None
        unit = "s" if size is not None else ""
        return witness_to_json(Witness(sense, (probe,), size, unit, tolerance))
