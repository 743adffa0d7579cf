"""Objectives as frozen models: SLOs after OpenSLO v1, and recovery objectives of our own."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Literal

from sloproof.contracts import Duration, Rate, Ratio


@dataclass(frozen=True, slots=True, kw_only=True)
class Matcher:
    """Which requests count: empty fields match all.

    `path` is matched segment by segment, `*` for any one; `status` holds codes or classes such as
    `2xx`; `within` asks that the answer came within that time of the intended start. A request
    without an answer has no status and is within nothing.
    """

    method: str = ""
    path: str = ""
    name: str = ""
    profile: str = ""
    status: tuple[str, ...] = ()
    within: Duration | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RatioIndicator:
    """Good requests over all requests."""

    good: Matcher
    total: Matcher


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantileIndicator:
    """A latency quantile. `of` is `all` (failures are infinitely late) or `good`."""

    total: Matcher
    quantile: Ratio
    latency_of: Literal["all", "good"] = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalIndicator:
    """A sampled signal of the target (`signal`, as named in its file), each sample compared."""

    signal: str


Indicator = RatioIndicator | QuantileIndicator | SignalIndicator


@dataclass(frozen=True, slots=True, kw_only=True)
class Objective:
    """One target for an indicator: a least ratio, or a bound (`op` `limit`) for a value.

    For a quantile `limit` is in seconds; for a signal in its own unit, and `target` is the share
    of samples that must meet the bound.
    """

    display: str = ""
    target: Ratio | None = None
    op: Literal["lte", "lt", "gte", "gt", ""] = ""
    limit: Fraction | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BurnRateAlert:
    """An alert that fires when the budget burns at `threshold` times the sustainable rate.

    Both windows must burn at once; `short` is None for a single-window alert.
    """

    name: str
    severity: str
    threshold: Fraction
    long: Duration
    short: Duration | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Slo:
    """A service level objective: what is measured, how good it must be, over which window.

    `traffic` is the declared traffic (annotation `sloproof/traffic`) by which a budget is reckoned.
    """

    name: str
    origin: str
    service: str
    description: str = ""
    indicator: Indicator
    objectives: tuple[Objective, ...]
    window: Duration
    alerts: tuple[BurnRateAlert, ...] = ()
    traffic: Rate | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryObjective:
    """How fast a service must be back (`rto`) and how much it may lose (`rpo`).

    Recovered means `successes` good samples of `probe` in a row, and at least `good_ratio` of the
    samples good for `stable_for` from the first of them. `origin_of_time` is where RTO counts from:
    `fault` (its beginning), `fault_end`, or None for the default (the end, where the harness
    itself removes the fault; the beginning where the system must heal).
    """

    name: str
    origin: str
    probe: str
    rto: Duration
    rpo: Duration | None = None
    stable_for: Duration = Duration(2_000_000_000)
    successes: int = 3
    good_ratio: Ratio = field(default_factory=lambda: Ratio(Fraction(99, 100)))
    origin_of_time: Literal["fault", "fault_end"] | None = None


Objectives = dict[str, Slo | RecoveryObjective]
