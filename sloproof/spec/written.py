"""The shapes of what people write, where they differ from the models that come of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Annotated, Any, Literal

from pydantic import Field

from sloproof.contracts import Duration, Ratio
from sloproof.model.target import Name
from sloproof.spec.experiment import (
    After,
    Recovery,
    Repetition,
    Selector,
    StopCondition,
)

WINDOWS = ("run", "baseline", "faults", "recovery")


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """What a document is called; labels select it, annotations say more about it."""

    name: Name
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultEntry:
    """One entry of `faults`: `inject` names its kind, `with` holds that kind's own fields."""

    inject: str
    name: Name | None = None
    where: Selector = field(default_factory=Selector)
    with_: Annotated[Mapping[str, Any], Field(alias="with")] = field(default_factory=dict)
    at: Duration | None = None
    after: After | None = None
    for_: Annotated[Duration | None, Field(alias="for")] = None
    repeat: Repetition | None = None
    scope: Literal["instances", "service"] = "instances"


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultWindow:
    """The window of one fault, as `during` names it."""

    fault: Name


@dataclass(frozen=True, slots=True, kw_only=True)
class Siblings:
    """What may stand beside the check on every line of `verify`."""

    name: Name | None = None
    during: Literal["run", "baseline", "faults", "recovery"] | FaultWindow | None = None
    in_: Annotated[Literal["this-run", "general"] | None, Field(alias="in")] = None
    confidence: Ratio = Ratio(Fraction(95, 100))
    tolerance: Mapping[str, Ratio | Duration] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentSpec:
    """What stands under `spec` in an experiment, once variables are replaced.

    The mappings are shapes of their own, read one by one so that one mistake doesn't hide others:
    `Load`, `FaultEntry`, `Siblings` with a check.
    """

    target: Name
    verify: tuple[Mapping[str, Any], ...]
    hypothesis: str = ""
    fixtures: tuple[str, ...] = ()
    load: Mapping[str, Any] | None = None
    baseline: Duration = Duration(5_000_000_000)
    faults: tuple[Mapping[str, Any], ...] = ()
    recovery: Recovery = field(default_factory=Recovery)
    stop: tuple[StopCondition, ...] = ()
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoverySpec:
    """What stands under `spec` in a recovery objective."""

    probe: Name
    rto: Duration
    rpo: Duration | None = None
    stable_for: Duration = Duration(2_000_000_000)
    successes: Annotated[int, Field(ge=1, le=1000)] = 3
    good_ratio: Ratio = Ratio(Fraction(99, 100))
    source: Annotated[Literal["fault", "fault_end"] | None, Field(alias="from")] = None
    description: str = ""
