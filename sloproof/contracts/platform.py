"""Platforms: where a target lives, and what of it can be told apart there."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar

from sloproof.contracts.effect import Effect
from sloproof.contracts.probe import ProbeSpec, Witness


@dataclass(frozen=True, slots=True)
class Instance:
    """One running copy of a service. `incarnation` is the platform's own name of this life.

    A restart makes another incarnation of the same instance name; nobody above the platform reads
    anything out of the string.
    """

    name: str
    service: str
    incarnation: str
    region: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Link:
    """A way that calls of one service take to another, in one direction of calling.

    `source` and `target` are services; `source_instance` and `target_instance` narrow the link to
    copies where it carries the calls of only these ("" means any). `entry` says that every request
    of the load crosses it. The regions are those of the services at its ends.
    """

    name: str
    source: str
    target: str
    source_instance: str = ""
    target_instance: str = ""
    entry: bool = False
    source_region: str = ""
    target_region: str = ""


class Direction(StrEnum):
    """Which way of a link: `upstream` carries requests, `downstream` answers."""

    UPSTREAM = "upstream"
    DOWNSTREAM = "downstream"
    BOTH = "both"


class CutMode(StrEnum):
    """`refused`: connections are refused and open ones closed; `blackhole`: bytes vanish."""

    REFUSED = "refused"
    BLACKHOLE = "blackhole"


class KillMode(StrEnum):
    """`crash`: the process dies where it stands; `delete`: the platform removes the instance."""

    CRASH = "crash"
    DELETE = "delete"


class Platform(ABC):
    """A place where a target lives. Capabilities are further base classes of the same object.

    Made from the target's model, the run's id and a folder for logs. The engine asks `found` until
    the target tells its addresses, hands the completed model to `attach`, then asks `ready`.
    """

    kind: ClassVar[str]

    if TYPE_CHECKING:
        # A fault calls the intents of the capabilities that it `needs`; the engine has seen to it
        # that they are there before `plan` is called.
        def __getattr__(self, intent: str) -> Callable[..., Effect]: ...

    @abstractmethod
    def start(self) -> Sequence[Effect]:
        """The effects that start the target; empty where it isn't ours to start."""

    @abstractmethod
    def found(self) -> Mapping[str, Any] | None:
        """The values behind `$(found.…)`; None while the target doesn't tell them (yet)."""

    @abstractmethod
    def attach(self, target: Any) -> None:
        """Take the completed model of the target, all addresses filled in."""

    @abstractmethod
    def ready(self) -> str:
        """Why the target isn't ready, or "" if it is."""

    @abstractmethod
    def instances(self) -> Sequence[Instance]:
        """The instances that live now, in a stable order."""

    @abstractmethod
    def links(self) -> Sequence[Link]:
        """The links of the target, in a stable order."""

    @abstractmethod
    def neighbours(self, effect: Effect, struck: Collection[str]) -> Sequence[Witness]:
        """How to see that what stands beside the effect is not affected.

        `struck` are the names of all links and instances that the same fault is meant to strike.
        A neighbour is seen with the effect's own sense and size, by probes of its own.
        """

    def volumes(self) -> Sequence[str]:
        """The names of the target's volumes, in a stable order."""
        return ()

    def holder_of(self, volume: str) -> Instance | None:
        """The instance that works on a volume, if it lives and is known."""
        return None

    def kept_on(self, volume: str) -> Instance | None:
        """The instance whose data or log is on a volume; most often the one that works on it."""
        return self.holder_of(volume)

    def stores_of(self, instance: Instance) -> Sequence[str]:
        """The stores of which this instance keeps a copy."""
        return ()

    def role(self, instance: Instance) -> str:
        """What this copy of a store is now: `primary`, `standby`, or "" where nobody can tell."""
        return ""

    def standing_probes(self, measured: Collection[str]) -> Sequence[ProbeSpec]:
        """What is asked throughout every run, whatever its faults are: of each copy of a store its
        role, `role:STORE:INSTANCE`, and of those in `measured` its lag, `lag:STORE:INSTANCE`.
        """
        return ()

    def lacks(self, capability: type) -> str:
        """Why it can't do exactly that and what would help, or "" if it can."""
        if isinstance(self, capability):
            return ""
        return f"the platform {self.kind} has no {capability.__name__}"
