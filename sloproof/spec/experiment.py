"""The experiment as a frozen model: load, faults, timeline, claims."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Annotated, Literal

from pydantic import Field

from sloproof.contracts import Check, Duration, Fault, Rate, Ratio
from sloproof.model.addressing import Name

Scalar = str | int | float | bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Pick:
    """How many of several matches: exactly one of the three."""

    count: Annotated[int, Field(ge=1)] | None = None
    """So many."""
    percent: Ratio | None = None
    """This share, rounded up."""
    all: Literal[True] | None = None
    """Every one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selector:
    """What a fault points at: instances of a service, a link (`from`, `to`), or a volume."""

    service: Name | None = None
    """The copies of this service."""
    instance: Name | None = None
    """This copy."""
    region: Name | None = None
    """The copies in this region."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """The copies with all these labels."""
    store: Name | None = None
    """The copies of this store …"""
    role: Literal["primary", "standby"] | None = None
    """… that have this role when the fault strikes."""
    source: Annotated[Name | None, Field(alias="from")] = None
    """The link from this service or copy …"""
    to: Name | None = None
    """… to this service or copy."""
    volume: Name | None = None
    """This volume."""
    pick: Pick | None = None
    """How many of several; chosen by the seed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MixPart:
    """A share of the arrivals: a profile of `load_profiles/`, or users of any locustfile."""

    share: Ratio
    profile: Name | None = None
    locustfile: str | None = None
    users: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Spike:
    """A burst inside a segment: arrivals at rate `to` from `at` (from the segment's begin)."""

    to: Rate
    at: Duration
    for_: Annotated[Duration, Field(alias="for")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A stretch of arrivals: constant (`rate`), ramp (`from`, `to`), or stairs (`steps`, `each`).

    `for` may be left out only in the last segment, which runs to the end. `spacing` is `even` or
    `poisson` (seeded); a `spike` belongs to a constant segment.
    """

    rate: Rate | None = None
    source: Annotated[Rate | None, Field(alias="from")] = None
    to: Rate | None = None
    steps: tuple[Rate, ...] = ()
    each: Duration | None = None
    for_: Annotated[Duration | None, Field(alias="for")] = None
    spacing: Literal["even", "poisson"] = "even"
    spike: Spike | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """Who comes, how often. `slots` bounds the work in flight, `timeout` is each request's own.

    `lateness` is how late arrivals may start at the 99th percentile before the generator is called
    inadequate.
    """

    mix: tuple[MixPart, ...]
    """Who comes, by shares."""
    arrivals: tuple[Segment, ...]
    """How often, one stretch after the other."""
    warmup: Duration = Duration(3_000_000_000)
    """How long the load runs before anything is measured."""
    slots: Annotated[int, Field(ge=1, le=20_000)] = 200
    """How much work may be in flight; an arrival that finds no slot has failed."""
    timeout: Duration = Duration(5_000_000_000)
    """Each request's own time-out."""
    lateness: Duration = Duration(20_000_000)
    """How late arrivals may start at the 99th percentile."""
    with_: Annotated[Mapping[str, Scalar], Field(alias="with")] = field(default_factory=dict)
    """Options that the users read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """Writes of known fate, from the beginning of the baseline to the end of recovery."""

    name: Name
    """One of the target's `ledgers`."""
    rate: Rate = Rate(Fraction(50))
    """How often a write is due, evenly spaced, however slow the system is."""
    slots: Annotated[int, Field(ge=1, le=1000)] = 16
    """How many may be in flight; one that is due and finds no slot is not sent."""
    restore: Duration | None = None
    """A backup is restored as of this moment, from the first write on, and read back, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class After:
    """A moment relative to another fault: when it was detected, injected or ended."""

    detected: Name | None = None
    injected: Name | None = None
    ended: Name | None = None
    plus: Duration = Duration(0)
    within: Duration = Duration(60_000_000_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Repetition:
    """The same fault again, `times` in all, each `every` after the one before began."""

    every: Duration
    times: Annotated[int, Field(ge=2, le=1000)]


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultPlan:
    """One entry of `faults`: which fault, where, when, for how long. `fault` is built already."""

    name: Name
    fault: Fault
    where: Selector = field(default_factory=Selector)
    at: Duration | None = None
    after: After | None = None
    for_: Duration | None = None
    repeat: Repetition | None = None
    scope: Literal["instances", "service"] = "instances"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """How long to watch after the last fault."""

    at_least: Duration = Duration(5_000_000_000)
    """Always so long."""
    at_most: Duration = Duration(60_000_000_000)
    """So long, where the system has not recovered yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Above:
    """A limit not to be exceeded."""

    above: Ratio


@dataclass(frozen=True, slots=True, kw_only=True)
class StopCondition:
    """Ends the faults at once when it has held `for` that long; exactly one of the two."""

    for_: Annotated[Duration, Field(alias="for")]
    """How long it has to hold."""
    error_rate: Above | None = None
    """The share of failed requests."""
    slo: Name | None = None
    """The objective that is missed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of `verify`: a check with its window and its kind of claim.

    `id` is `kind:label` with `@window` where `during` is given, or `name` in place of the label.
    `during` is a window's name: `run`, `baseline`, `faults`, `recovery` or `fault:NAME`.
    """

    id: str
    check: Check
    during: str = "run"
    general: bool | None = None
    confidence: Ratio
    tolerance: Mapping[str, Ratio | Duration] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """An experiment, complete and checked. `origin` is the file it was read from."""

    name: Name
    origin: str
    target: Name
    verify: tuple[Line, ...]
    hypothesis: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    fixtures: tuple[str, ...] = ()
    load: Load | None = None
    ledger: Ledger | None = None
    baseline: Duration = Duration(5_000_000_000)
    faults: tuple[FaultPlan, ...] = ()
    recovery: Recovery = field(default_factory=Recovery)
    stop: tuple[StopCondition, ...] = ()
    seed: int = 1
