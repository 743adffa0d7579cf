"""Effects: atomic, reversible changes to the world, as plain data that any process can undo."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar, Self, TypeAlias

from sloproof.contracts.probe import Witness
from sloproof.model.units import Duration

Json: TypeAlias = "dict[str, Any]"
PRIVATE = "_sloproof_ext_"
"""How the names of modules begin that are loaded from a project's folder, not from a package."""


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose effect it is: the run and the effect's number in it, carried into the world."""

    run: str
    number: int

    def __str__(self) -> str:
        return f"sloproof-{self.run}-{self.number}"


class Undone(StrEnum):
    """What an undo found and did."""

    REVERTED = "reverted"
    """It was there and is gone now."""
    ABSENT = "absent"
    """Nothing was left to do: never applied, already undone, or healed by the system."""
    FOREIGN = "foreign"
    """What is there now isn't ours; it was left alone."""


@dataclass(frozen=True, kw_only=True)
class Effect(ABC):
    """One change to the world.

    The engine binds an `owner`, journals what `capture` read, then calls `apply`; any process can
    later call `undo` from the JSON form alone. Laws (see `sloproof.testing.check_effect`): undo
    twice is once; undo without apply changes nothing; `present` tells applied from not applied;
    the JSON form makes the round trip. Fields are strings, numbers, booleans, tuples, mappings of
    these, or units.
    """

    kind: ClassVar[str]
    settle: ClassVar[Duration] = Duration(0)
    """The longest time in which an accepted change may still appear."""
    deadline: ClassVar[Duration] = Duration(5_000_000_000)
    """How long one undo may take."""
    lasting: ClassVar[bool] = False
    """True where nothing can be put back directly (a kill): `undo` then means that the harness
    restores what the system has not healed, at the end of the run, not at the fault's end."""
    volatile: ClassVar[bool] = True
    """Gone after a reboot of the host."""
    foundation: ClassVar[bool] = False
    """Undone only after everything else: what the other effects act on (a started target)."""

    owner: Owner | None = None

    @abstractmethod
    def capture(self) -> Json:
        """The state before, as JSON; changes nothing."""

    @abstractmethod
    def apply(self, prior: Json) -> None:
        """Make the change; applying twice is applying once. Raises `EffectError`."""

    @abstractmethod
    def undo(self, prior: Json) -> Undone:
        """Put back what is still ours; idempotent. Raises `EffectError` if that failed."""

    @abstractmethod
    def present(self, prior: Json) -> bool:
        """Whether the change is in the world now, read through the control path."""

    def interrupt(self) -> None:
        """End an `apply` that may still be under way outside of the process that called it.

        Called before the undo of an effect in doubt. Nothing by default: what `apply` does inside
        its own process ends with that.
        """
        return

    def keep(self, prior: Json) -> None:
        """Bring an applied change back to its size while its fault is held; nothing by default.

        Raises `EffectError`. Called again and again, never beside `apply` or `undo`.
        """
        return

    def patience(self) -> Duration:
        """How long one undo of this very effect may take."""
        return self.deadline

    def carries(self) -> bool:
        """Whether the target itself came with this effect, so that lasting changes go with it."""
        return False

    def moot(self, prior: Json) -> bool:
        """Whether the system has replaced what was changed, so that the change is over with it.

        A change that merely vanished isn't moot: somebody took it away.
        """
        return False

    def witness(self) -> Witness | None:
        """How to see it by another path, or None where nothing needs to be seen."""
        return None

    def concerns(self) -> str:
        """The name of the link or instance it changes, or "" where it changes neither."""
        return ""

    def touches(self) -> str:
        """What it changes: effects that touch one thing are undone newest first, others at once."""
        return str(self)

    @abstractmethod
    def __str__(self) -> str:
        """What it changes, in a few words, for people: `latency 800ms on dialogue-1-speech`."""

    def remedy(self) -> str:
        """What a person does to put it back by hand when `undo` can't."""
        return f"undo by hand: {self}"

    def bound(self, owner: Owner) -> Self:
        """The same effect with its owner."""
        return dataclasses.replace(self, owner=owner)

    def to_json(self) -> Json:
        """Plain data; `sloproof.effects.effect_from_json` makes an equal effect of it."""
        return {"kind": self.kind, **dataclasses.asdict(self)}
