"""The shapes of OpenSLO v1's documents; keys are written in camelCase."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Literal

from sloproof.contracts import Duration, Ratio
from sloproof.model.addressing import Name
from sloproof.spec.objectives import Matcher

Number = int | float
API_VERSION = "openslo/v1"
_SHORTHAND = re.compile(r"([1-9][0-9]{0,5})([mhdwMQY])")
_SECONDS = {"m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_SHORTEST = {"M": 28 * 86_400, "Q": 90 * 86_400, "Y": 365 * 86_400}


@dataclass(frozen=True, slots=True, kw_only=True)
class SloMetadata:
    """Names and notes; an implementation's own notes are annotations such as `sloproof/traffic`."""

    name: Name
    display_name: str = ""
    labels: Mapping[str, str | tuple[str, ...]] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricSource:
    """Where a metric comes from; `spec` is the source's own."""

    spec: Mapping[str, Any]
    type: str | None = None
    metric_source_ref: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A metric: nothing but its source."""

    metric_source: MetricSource


@dataclass(frozen=True, slots=True, kw_only=True)
class RatioMetric:
    """Good over total, bad over total, or a ratio that is a metric already."""

    counter: bool | None = None
    good: Metric | None = None
    bad: Metric | None = None
    total: Metric | None = None
    raw: Metric | None = None
    raw_type: Literal["success", "failure"] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SliSpec:
    """An indicator: one of the two metrics."""

    description: str = ""
    threshold_metric: Metric | None = None
    ratio_metric: RatioMetric | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InlineSli:
    """An indicator inside an SLO."""

    spec: SliSpec
    metadata: SloMetadata | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Calendar:
    """When calendar-aligned windows begin."""

    start_time: str
    time_zone: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeWindow:
    """The window of a budget: rolling, or aligned to the calendar."""

    duration: str
    is_rolling: bool | None = None
    calendar: Calendar | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectiveSpec:
    """One target; the fields from `time_slice_target` on are known so as to be refused well."""

    display_name: str = ""
    op: Literal["lte", "lt", "gte", "gt"] | None = None
    value: Number | None = None
    target: Number | None = None
    target_percent: Number | None = None
    time_slice_target: Any = None
    time_slice_window: Any = None
    composite_weight: Any = None
    indicator: Any = None
    indicator_ref: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SloSpec:
    """An SLO. Its alert policies are references, or policies written out in place."""

    service: Name
    time_window: tuple[TimeWindow, ...]
    budgeting_method: Literal["Occurrences", "Timeslices", "RatioTimeslices"]
    objectives: tuple[ObjectiveSpec, ...]
    description: str = ""
    indicator: InlineSli | None = None
    indicator_ref: str | None = None
    alert_policies: tuple[str | Mapping[str, Any], ...] | None = ()
    """None where the key stands with nothing behind it, as in OpenSLO's own examples."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConditionSpec:
    """When an alert fires: by burn rate, the only kind that OpenSLO v1 knows."""

    threshold: Number
    lookback_window: str
    kind: Literal["burnrate"] = "burnrate"
    op: Literal["gt", "gte", "lt", "lte"] | None = None
    alert_after: str = "0m"


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertConditionSpec:
    """A condition with its severity."""

    severity: str
    condition: ConditionSpec
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyEntry:
    """A condition of a policy, by reference or written out in place."""

    condition_ref: str | None = None
    kind: Literal["AlertCondition"] | None = None
    metadata: SloMetadata | None = None
    spec: AlertConditionSpec | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetEntry:
    """Who is told, by reference or written out in place."""

    target_ref: str | None = None
    kind: Literal["AlertNotificationTarget"] | None = None
    metadata: SloMetadata | None = None
    spec: NotificationSpec | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertPolicySpec:
    """When alerts fire and whom they tell. sloproof says when they would have, and tells nobody."""

    conditions: tuple[PolicyEntry, ...]
    description: str = ""
    alert_when_breaching: bool = True
    alert_when_resolved: bool = False
    alert_when_no_data: bool = False
    notification_targets: tuple[TargetEntry, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NotificationSpec:
    """A place where alerts go."""

    target: str
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSourceSpec:
    """A source of metrics that several indicators share."""

    type: str
    description: str = ""
    connection_details: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceSpec:
    """A service that SLOs belong to."""

    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestsSource(Matcher):
    """`type: sloproof` in a threshold metric: a latency quantile of the requests that match."""

    quantile: Ratio
    latency_of: Literal["all", "good"] = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalSource:
    """`type: sloproof` in a threshold metric: a signal of the target, by its name."""

    signal: Name


def shorthand(text: str, *, calendar: bool = False) -> Duration:
    """OpenSLO's `30d` as a duration; raises `ValueError` with the reason if it has no one length.

    A calendar-aligned month, quarter or year counts as its shortest, which has the least budget.
    """
    match = _SHORTHAND.fullmatch(text)
    if match is None:
        raise ValueError(f'"{text}" is not a duration of OpenSLO (try 30d; units m h d w M Q Y)')
    count, unit = int(match[1]), match[2]
    if unit in _SECONDS:
        return Duration(count * _SECONDS[unit] * 1_000_000_000)
    if not calendar:
        days = _SHORTEST[unit] // 86_400 * count
        raise ValueError(f"{text} has no one length, and a rolling window needs one (try {days}d)")
    return Duration(count * _SHORTEST[unit] * 1_000_000_000)


def exactly(number: Number) -> Fraction:
    """The number that was written: 0.999 is 999/1000."""
    return Fraction(str(number))
