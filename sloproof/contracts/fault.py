"""Faults: what goes wrong, in the user's words; pure, fields in and steps out."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias, dataclass_transform

from sloproof.contracts.effect import Effect
from sloproof.contracts.platform import Instance, Link, Platform
from sloproof.model.units import Duration, Rate


@dataclass(frozen=True, slots=True)
class Where:
    """The selector of a fault, resolved at this moment: what it points at, and nothing else.

    With `volumes` come the `instances` whose data is on them.
    """

    instances: tuple[Instance, ...] = ()
    links: tuple[Link, ...] = ()
    volumes: tuple[str, ...] = ()

    @property
    def names(self) -> frozenset[str]:
        """The names of all that it points at."""
        found = {one.name for one in self.instances} | {one.name for one in self.links}
        return frozenset(found | set(self.volumes))


@dataclass(frozen=True, slots=True)
class Repeat:
    """Plan anew every `every` while the fault lasts, and apply what is new: a crash loop.

    What is in force already is kept at its size (`Effect.keep`).
    """

    effect: Effect
    every: Duration


@dataclass(frozen=True, slots=True)
class LoadChange:
    """Arrivals are multiplied by `factor`, or set to `rate`, while the fault lasts."""

    factor: float | None = None
    rate: Rate | None = None


Step: TypeAlias = Effect | Repeat | LoadChange


@dataclass_transform(frozen_default=True, kw_only_default=True)
class Fault(ABC):
    """One kind of fault: a class in a file of its own, the file's name is the kind in YAML.

    Fields are the keys under `with:`; the docstring's first line is the help text. `needs` names
    the capabilities of the platform that `plan` may use, `points_at` what `where:` has to select
    (`instances`, `links`, `volumes`, `regions` or nothing), `arms` what the target must mount at
    its start. `role` is the one that a store's copy must have to be struck (`primary`,
    `standby`); `where:` then has to name the store.
    """

    kind: ClassVar[str] = ""
    needs: ClassVar[tuple[type, ...]] = ()
    points_at: ClassVar[str] = "links"
    arms: ClassVar[tuple[str, ...]] = ()
    role: ClassVar[Literal["primary", "standby"] | None] = None

    def __init_subclass__(cls, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        dataclass(frozen=True, kw_only=True)(cls)
        cls.kind = cls.__dict__.get("kind") or _snake(cls.__name__)

    @abstractmethod
    def plan(self, where: Where, on: Platform) -> Iterable[Step]:
        """The steps that bring this fault about; pure: the same arguments, the same steps."""

    def uses(self) -> tuple[type, ...]:
        """The capabilities that `plan` uses with these fields: all of `needs`, or some of them."""
        return self.needs

    def fields(self) -> dict[str, str]:
        """Its fields by name, as people write them."""
        names = getattr(self, "__dataclass_fields__", {})
        return {name: str(getattr(self, name)) for name in names}

    def lasts(self) -> bool:
        """Whether the fault is in force until it is ended; False for a single blow (a kill)."""
        return True


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
