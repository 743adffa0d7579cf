"""Checks: claims about a record, one kind a file; pure functions of what was recorded."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, TypeAlias, dataclass_transform

from sloproof.model.verdict import Finding

if TYPE_CHECKING:
    from fractions import Fraction

    from sloproof.record.reader import Record

SloName: TypeAlias = Annotated[str, "slo"]
"""The type of a check's field that names an SLO; it is looked up when the file is read."""
RecoveryName: TypeAlias = Annotated[str, "recovery"]
"""The type of a check's field that names a recovery objective."""
ServiceName: TypeAlias = Annotated[str, "service"]
"""The type of a check's field that names a service, or who else is at an end of a link."""
InstanceName: TypeAlias = Annotated[str, "instance"]
"""The type of a check's field that names a copy of a service."""
RegionName: TypeAlias = Annotated[str, "region"]
"""The type of a check's field that names a region."""
StoreName: TypeAlias = Annotated[str, "store"]
"""The type of a check's field that names a store."""
VolumeName: TypeAlias = Annotated[str, "volume"]
"""The type of a check's field that names a volume."""


class Source(StrEnum):
    """A part of the record that a check reads; a missing one makes it INCONCLUSIVE."""

    REQUESTS = "requests"
    PROBES = "probes"
    CALLS = "calls"
    SIGNALS = "signals"
    WRITES = "writes"
    SYSTEM_EVENTS = "system-events"
    ROLES = "roles"


PROBED = frozenset({Source.PROBES, Source.ROLES})
"""What the prober takes samples for."""
ROLES = ("role:", "lag:")
"""How the names of those probes begin that ask a store's copies what they are and have."""


@dataclass(frozen=True, slots=True)
class Window:
    """A half-open stretch of the run, nanoseconds from its origin, with a name for people."""

    name: str
    begin: int
    end: int

    @property
    def seconds(self) -> float:
        """Its length in seconds."""
        return (self.end - self.begin) / 1e9


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a check may look at: the record, its window, and what kind of claim is asked for.

    `general` asks for a claim about the system rather than about this run; `confidence` is that of
    one-sided bounds; `tolerance` are the line's relaxed limits by name; `objectives` are the
    documents the line may name (SLOs and recovery objectives, by name); `windows` are all windows
    of the run by name (`run`, `baseline`, `faults`, `recovery`, `fault:NAME`).
    """

    record: Record
    window: Window
    windows: dict[str, Window]
    general: bool
    confidence: Fraction
    tolerance: dict[str, Any]
    objectives: dict[str, Any]


@dataclass_transform(frozen_default=True, kw_only_default=True)
class Check(ABC):
    """One kind of claim: a class in a file of its own; its fields are the keys in `verify`.

    A line may give a plain value instead of a mapping; it then fills the first field. `sources`
    are the parts of the record it reads, `windowed` whether `during` means anything to it,
    `tolerances` the limits that a line may relax, by name, with the unit of each. `measures_lag`
    says that it needs the lag of each copy of its `store` to be measured.
    """

    kind: ClassVar[str] = ""
    sources: ClassVar[tuple[Source, ...]] = ()
    windowed: ClassVar[bool] = True
    tolerances: ClassVar[Mapping[str, type]] = MappingProxyType({})
    measures_lag: ClassVar[bool] = False

    def __init_subclass__(cls, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        dataclass(frozen=True, kw_only=True)(cls)

    @abstractmethod
    def judge(self, evidence: Evidence) -> Finding:
        """PASS if shown, FAIL if observed otherwise, else INCONCLUSIVE; never raises for data."""

    def label(self) -> str:
        """What the line is about, the second half of its id: `dialogue-latency`."""
        return ""

    def needed(self, objectives: dict[str, Any]) -> int:
        """How many samples it takes at least to reach a verdict; 1 by default."""
        return 1
