"""Alert policies: burn-rate alerts, of which a verdict says when they would have fired.

A second, shorter window that must burn as well is not in OpenSLO v1: it is the annotation
`sloproof/short-window` of the condition. Nobody is notified, so notification targets are only
checked to exist.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sloproof.contracts import Duration
from sloproof.spec.objectives import BurnRateAlert
from sloproof.spec.openslo.catalogue import Catalogue, Piece
from sloproof.spec.openslo.shapes import (
    AlertConditionSpec,
    AlertPolicySpec,
    ConditionSpec,
    PolicyEntry,
    SloMetadata,
    exactly,
    shorthand,
)
from sloproof.spec.places import Place, Problems, suggestion
from sloproof.spec.shapes import validated

SHORT_WINDOW = "sloproof/short-window"
_INLINE = ("kind", "metadata", "spec")
_HOLD = (
    "sloproof reckons an alert's windows, not how long it holds: "
    f"write 0m, and a second window as the annotation {SHORT_WINDOW}"
)


def build_alerts(
    entries: tuple[str | Mapping[str, Any], ...], catalogue: Catalogue, problems: Problems
) -> tuple[BurnRateAlert, ...]:
    """The alerts of an SLO; notes those that can't be honoured."""
    alerts = []
    for n, entry in enumerate(entries):
        policy = _policy(entry, ("spec", "alertPolicies", n), catalogue, problems)
        alert = None if policy is None else _alert(policy, catalogue)
        if policy is not None:
            problems.found.extend(p for p in policy.problems.found if p not in problems.found)
        if alert is not None:
            alerts.append(alert)
    return tuple(alerts)


def _policy(
    entry: str | Mapping[str, Any], place: Place, catalogue: Catalogue, problems: Problems
) -> Piece | None:
    """A policy by its bare name, by `alertPolicyRef`, or written out in place."""
    if isinstance(entry, str):
        return catalogue.refer("AlertPolicy", entry, place, problems)
    reference = entry.get("alertPolicyRef")
    if isinstance(reference, str) and len(entry) == 1:
        inside = (*place, "alertPolicyRef")
        return catalogue.refer("AlertPolicy", reference, inside, problems)
    for key in entry:
        if key not in _INLINE:
            hint = suggestion(key, ("alertPolicyRef", *_INLINE))
            problems.add((*place, key), f'unknown key "{key}"{hint}')
    if entry.get("kind") != "AlertPolicy":
        problems.add((*place, "kind"), "expected AlertPolicy, or an alertPolicyRef alone")
    inside = (*place, "metadata")
    metadata = validated(SloMetadata, entry.get("metadata"), inside, problems, camel=True)
    inside = (*place, "spec")
    spec = validated(AlertPolicySpec, entry.get("spec"), inside, problems, camel=True)
    return None if metadata is None or spec is None else Piece(metadata, spec, problems, inside)


def _alert(policy: Piece, catalogue: Catalogue) -> BurnRateAlert | None:
    spec, place, problems = policy.spec, policy.place, policy.problems
    if not spec.alert_when_breaching:
        message = "must be true: an alert that keeps quiet when the budget burns proves nothing"
        problems.add((*place, "alertWhenBreaching"), message)
    if spec.alert_when_no_data:
        message = "must be false: without data a run is INCONCLUSIVE, which is more than an alert"
        problems.add((*place, "alertWhenNoData"), message)
    for n, target in enumerate(spec.notification_targets):
        if target.target_ref is not None:
            inside = (*place, "notificationTargets", n, "targetRef")
            catalogue.refer("AlertNotificationTarget", target.target_ref, inside, problems)
    if len(spec.conditions) != 1:
        problems.add((*place, "conditions"), "OpenSLO v1 wants exactly one condition")
        return None
    condition = _condition(spec.conditions[0], (*place, "conditions", 0), catalogue, problems)
    if condition is None:
        return None
    alert = _burn_rate(policy.metadata.name, condition)
    problems.found.extend(p for p in condition.problems.found if p not in problems.found)
    return alert


def _condition(
    entry: PolicyEntry, place: Place, catalogue: Catalogue, problems: Problems
) -> Piece | None:
    if entry.condition_ref is not None:
        inside = (*place, "conditionRef")
        if entry.spec is not None:
            problems.add(inside, "stands beside a condition written out: one of the two is meant")
        return catalogue.refer("AlertCondition", entry.condition_ref, inside, problems)
    if entry.spec is None or entry.metadata is None:
        problems.add(place, "needs a conditionRef, or kind, metadata and spec")
        return None
    return Piece(entry.metadata, entry.spec, problems, (*place, "spec"))


def _burn_rate(name: str, piece: Piece) -> BurnRateAlert | None:
    spec: AlertConditionSpec = piece.spec
    condition, problems = spec.condition, piece.problems
    place = (*piece.place, "condition")
    if condition.threshold <= 0:
        problems.add((*place, "threshold"), "must be more than 0")
    if condition.op in ("lt", "lte"):
        problems.add((*place, "op"), "a budget burns too fast above its threshold: gt or gte")
    if condition.alert_after not in ("0m", "0h", "0d", "0s"):
        problems.add((*place, "alertAfter"), _HOLD)
    long = _long_window(condition, place, problems)
    short = _short_window(piece, long)
    if long is None:
        return None
    return BurnRateAlert(
        name=name,
        severity=spec.severity,
        threshold=exactly(condition.threshold),
        long=long,
        short=short,
    )


def _long_window(condition: ConditionSpec, place: Place, problems: Problems) -> Duration | None:
    try:
        return shorthand(condition.lookback_window)
    except ValueError as error:
        problems.add((*place, "lookbackWindow"), str(error))
        return None


def _short_window(piece: Piece, long: Duration | None) -> Duration | None:
    written = piece.metadata.annotations.get(SHORT_WINDOW)
    if written is None:
        return None
    place = (*piece.place[:-1], "metadata", "annotations", SHORT_WINDOW)
    try:
        short = Duration.parse(written)
    except ValueError as error:
        piece.problems.add(place, str(error))
        return None
    if short.ns <= 0 or (long is not None and short >= long):
        piece.problems.add(place, f"must be shorter than the lookbackWindow {long}")
    return short
