"""A suite as a frozen model: a drill or game day, its steps in order and what belongs to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Annotated, Any, Literal

from pydantic import Field

from sloproof.contracts import Duration, Ratio
from sloproof.model.addressing import Name
from sloproof.spec.experiment import Scalar


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The plan that is tried out: a contingency plan, a runbook."""

    version: str
    """Its version."""
    owner: str = ""
    """Who answers for it."""
    approved: str = ""
    """The day on which it was approved, as 2026-03-31."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Participant:
    """Somebody who takes part."""

    name: str
    """Who."""
    role: str
    """As what: incident commander, operator, observer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manual:
    """What people do; it is confirmed by `sloproof confirm`."""

    do: str
    """What is to be done."""
    by: str
    """Who does it: a name or a role."""
    within: Duration
    """How long they have; after that the step counts as missed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """The steady state that the target has to show before each experiment and at the end."""

    probes: tuple[Name, ...] | None = None
    """The target's probes that have to be good; all if left out, `[]` for no gate at all."""
    for_: Annotated[Duration, Field(alias="for")] = Duration(10_000_000_000)
    """For how long they have to be."""
    within: Duration = Duration(60_000_000_000)
    """In which time that has to come; else the suite stops."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepEntry:
    """One entry of `steps`: an experiment or something that people do."""

    experiment: str | None = None
    """The experiment's name (that of its file), or its file from the project on."""
    manual: Mapping[str, Any] | None = None
    """What people do."""
    name: Name | None = None
    """What the step is called; the experiment's name if left out."""
    variables: Mapping[str, Scalar] = field(default_factory=dict)
    """Values for the variables of the experiment and its target."""
    times: Annotated[int, Field(ge=1, le=1000)] = 1
    """How often the experiment runs, each time with the next seed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Across:
    """A claim about the system, with each run of an experiment as one sample."""

    step: Name
    """The step whose runs count."""
    claim: str
    """The id of the experiment's line, such as `slo:dialogue-availability`."""
    at_least: Ratio
    """In which share of such incidents it has to hold."""
    confidence: Ratio = Ratio(Fraction(95, 100))
    """How sure that has to be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Corrective:
    """Who corrects what did not pass, and when it is tried again, unless somebody says more."""

    owner: str = ""
    """Who answers for it."""
    retest_within: Duration = Duration(30 * 86_400_000_000_000)
    """In which time it is tried again, from the day of the drill on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteSpec:
    """What stands under `spec` in a suite, once variables are replaced."""

    steps: tuple[Mapping[str, Any], ...]
    """What is done, in this order."""
    description: str = ""
    """What it is for, in a sentence."""
    plan: Plan | None = None
    """The plan that is tried out."""
    participants: tuple[Participant, ...] = ()
    """Who takes part."""
    target: Name | None = None
    """The target of all experiments; that which each names if left out."""
    keep_target: bool = True
    """Whether the target stays up from one experiment to the next."""
    gate: Gate = field(default_factory=Gate)
    """The steady state between experiments."""
    on_failure: Literal["stop", "continue"] = "stop"
    """Whether the steps after one that failed are still taken."""
    verify: tuple[Mapping[str, Any], ...] = ()
    """What has to hold in general, over several runs."""
    corrective: Corrective = field(default_factory=Corrective)
    """Who corrects what did not pass, and until when."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step: exactly one of `experiment` (its file, from the project on) and `manual`."""

    name: Name
    experiment: str = ""
    manual: Manual | None = None
    variables: Mapping[str, Scalar] = field(default_factory=dict)
    times: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """A suite, complete and checked. `origin` is the file it was read from."""

    name: Name
    origin: str
    steps: tuple[Step, ...]
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    description: str = ""
    plan: Plan | None = None
    participants: tuple[Participant, ...] = ()
    target: Name | None = None
    keep_target: bool = True
    gate: Gate = field(default_factory=Gate)
    on_failure: Literal["stop", "continue"] = "stop"
    verify: tuple[Across, ...] = ()
    corrective: Corrective = field(default_factory=Corrective)
