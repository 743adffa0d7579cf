"""The shapes of what people write, where they differ from the models that come of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Annotated, Any, Literal

from pydantic import Field

from sloproof.contracts import Duration, Ratio
from sloproof.model.addressing import Name
from sloproof.spec.experiment import (
    After,
    Ledger,
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
    """What it is called: letters, digits, and . _ - inside; at most 63."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Names and values by which `--labels` selects."""
    annotations: Mapping[str, str] = field(default_factory=dict)
    """Anything else that should stand in the record."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultEntry:
    """One entry of `faults`: `inject` names its kind, `with` holds that kind's own fields."""

    inject: str
    """The kind of fault."""
    name: Name | None = None
    """What this fault is called; its kind if left out."""
    where: Selector = field(default_factory=Selector)
    """What it strikes."""
    with_: Annotated[Mapping[str, Any], Field(alias="with")] = field(default_factory=dict)
    """The kind's own fields."""
    at: Duration | None = None
    """When it strikes, from the end of the warm-up."""
    after: After | None = None
    """When it strikes, after something else."""
    for_: Annotated[Duration | None, Field(alias="for")] = None
    """How long it lasts."""
    repeat: Repetition | None = None
    """The same again, several times."""
    scope: Literal["instances", "service"] = "instances"
    """`service`: copies that replace those struck are struck, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultWindow:
    """The window of one fault, as `during` names it."""

    fault: Name
    """The name of the fault."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Siblings:
    """What may stand beside the check on every line of `verify`."""

    name: Name | None = None
    """What this claim is called."""
    during: Literal["run", "baseline", "faults", "recovery"] | FaultWindow | None = None
    """The window it is about; the whole run if left out."""
    in_: Annotated[Literal["this-run", "general"] | None, Field(alias="in")] = None
    """Whether it speaks of this run only or of the system in general."""
    confidence: Ratio = Ratio(Fraction(95, 100))
    """How sure a general claim has to be."""
    tolerance: Mapping[str, Ratio | Duration] = field(default_factory=dict)
    """What takes the place of the values of the objective in this window."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentSpec:
    """What stands under `spec` in an experiment, once variables are replaced.

    The mappings are shapes of their own, read one by one so that one mistake doesn't hide others:
    `Load`, `FaultEntry`, `Siblings` with a check.
    """

    target: Name
    """The target's name: its file in `experiments/targets/`."""
    verify: tuple[Mapping[str, Any], ...]
    """What has to hold; each line is a claim."""
    hypothesis: str = ""
    """What is expected, in a sentence."""
    fixtures: tuple[str, ...] = ()
    """Fixtures of pytest to be set up first."""
    load: Mapping[str, Any] | None = None
    """Who comes, how often. Left out: the traffic that is there is observed."""
    ledger: Ledger | None = None
    """Writes whose fate is known, for what is claimed of lost data."""
    baseline: Duration = Duration(5_000_000_000)
    """How long to watch before anything is broken."""
    faults: tuple[Mapping[str, Any], ...] = ()
    """What goes wrong, and when."""
    recovery: Recovery = field(default_factory=Recovery)
    """How long to watch after the last fault."""
    stop: tuple[StopCondition, ...] = ()
    """What ends the faults at once."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 1
    """What decides picks and random arrivals: the same again for the same seed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoverySpec:
    """What stands under `spec` in a recovery objective."""

    probe: Name
    """The target's probe that tells whether it works."""
    rto: Duration
    """How long recovery may take."""
    rpo: Duration | None = None
    """How much time of acknowledged writes may be lost."""
    stable_for: Duration = Duration(2_000_000_000)
    """How long it has to stay good to count as recovered."""
    successes: Annotated[int, Field(ge=1, le=1000)] = 3
    """How many good samples in a row that takes at least."""
    good_ratio: Ratio = Ratio(Fraction(99, 100))
    """How many of the samples must be good meanwhile."""
    source: Annotated[Literal["fault", "fault_end"] | None, Field(alias="from")] = None
    """Where the time counts from."""
    description: str = ""
    """What it is about, for people."""
