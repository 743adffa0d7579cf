"""SLOs: from OpenSLO's documents to the model that checks are judged by."""

from __future__ import annotations

import re
import zoneinfo
from fractions import Fraction

from sloproof.contracts import Duration, Rate, Ratio
from sloproof.errors import InvalidInput
from sloproof.spec.objectives import Indicator, Objective, QuantileIndicator, RatioIndicator, Slo
from sloproof.spec.openslo.alerts import build_alerts
from sloproof.spec.openslo.catalogue import Catalogue, Piece
from sloproof.spec.openslo.indicators import build_indicator
from sloproof.spec.openslo.shapes import Calendar, ObjectiveSpec, SloSpec, exactly, shorthand
from sloproof.spec.places import Place, Problems, suggestion

TRAFFIC = "sloproof/traffic"
_START = re.compile(r"\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}")
_TIMESLICES = (
    "only Occurrences can be honoured: a run is shorter than the slices, "
    "and the share of good minutes says nothing about requests"
)
_REFUSED = {
    "time_slice_target": ("timeSliceTarget", _TIMESLICES),
    "time_slice_window": ("timeSliceWindow", _TIMESLICES),
    "composite_weight": (
        "compositeWeight",
        "a weighted sum of indicators can't be proven from counts: write an SLO for each",
    ),
    "indicator": ("indicator", "composite SLOs are not read: write an SLO for each indicator"),
    "indicator_ref": ("indicatorRef", "composite SLOs are not read: write an SLO for each"),
}


def build_slo(name: str, catalogue: Catalogue) -> Slo:
    """The SLO of this name; raises `InvalidInput` with everything about it that is wrong."""
    piece = catalogue.piece("SLO", name)
    if piece is None:
        own = Problems(catalogue.documents["SLO", name])
        catalogue.refer("SLO", name, (), own)
        raise InvalidInput(own.found)
    spec: SloSpec = piece.spec
    problems = Problems(piece.problems.document)
    _check_service(spec, catalogue, problems)
    if spec.budgeting_method != "Occurrences":
        problems.add(("spec", "budgetingMethod"), _TIMESLICES)
    indicator = _indicator(spec, catalogue, problems)
    objectives = _objectives(spec, indicator, problems)
    window = _window(spec, problems)
    alerts = build_alerts(spec.alert_policies or (), catalogue, problems)
    traffic = _traffic(piece, problems)
    problems.raise_any()
    if indicator is None or window is None:
        raise InvalidInput(problems.found)
    return Slo(
        name=name,
        origin=problems.document.file,
        service=spec.service,
        description=spec.description,
        indicator=indicator,
        objectives=objectives,
        window=window,
        alerts=alerts,
        traffic=traffic,
    )


def _check_service(spec: SloSpec, catalogue: Catalogue, problems: Problems) -> None:
    services = catalogue.names("Service")
    if spec.service in services:
        catalogue.refer("Service", spec.service, ("spec", "service"), problems)
    elif services:
        hint = suggestion(spec.service, services)
        problems.add(("spec", "service"), f'no Service is called "{spec.service}"{hint}')


def _indicator(spec: SloSpec, catalogue: Catalogue, problems: Problems) -> Indicator | None:
    if (spec.indicator is None) == (spec.indicator_ref is None):
        problems.add(("spec",), "needs exactly one of indicator and indicatorRef")
        return None
    if spec.indicator is not None:
        place: Place = ("spec", "indicator", "spec")
        return build_indicator(spec.indicator.spec, place, catalogue, problems)
    name = spec.indicator_ref or ""
    piece = catalogue.refer("SLI", name, ("spec", "indicatorRef"), problems)
    if piece is None:
        return None
    theirs = Problems(piece.problems.document)
    indicator = build_indicator(piece.spec, piece.place, catalogue, theirs)
    problems.found.extend(theirs.found)
    return indicator


def _objectives(
    spec: SloSpec, indicator: Indicator | None, problems: Problems
) -> tuple[Objective, ...]:
    if not spec.objectives:
        problems.add(("spec", "objectives"), "needs at least one objective")
    ratio = isinstance(indicator, RatioIndicator)
    if indicator is not None and not ratio and len(spec.objectives) > 1:
        problems.add(("spec", "objectives"), "OpenSLO v1 wants one objective for a thresholdMetric")
    made = []
    for n, each in enumerate(spec.objectives):
        place: Place = ("spec", "objectives", n)
        for name, (key, reason) in _REFUSED.items():
            if getattr(each, name) is not None:
                problems.add((*place, key), reason)
        target = _target(each, place, problems)
        if ratio:
            _check_ratio(each, target, place, problems)
        elif indicator is not None:
            _check_bound(each, target, indicator, place, problems)
        limit = None if each.value is None else exactly(each.value)
        display, op = each.display_name, each.op or ""
        made.append(Objective(display=display, target=target, op=op, limit=limit))
    return tuple(made)


def _target(each: ObjectiveSpec, place: Place, problems: Problems) -> Ratio | None:
    if each.target is not None and each.target_percent is not None:
        problems.add(place, "has both target and targetPercent: one of them is meant")
        return None
    if each.target is not None:
        key, value = "target", exactly(each.target)
    elif each.target_percent is not None:
        key, value = "targetPercent", exactly(each.target_percent) / 100
    else:
        return None
    if not 0 < value < 1:
        most = "1" if key == "target" else "100"
        why = "" if value else ": nothing could miss it"
        problems.add((*place, key), f"must be more than 0 and less than {most}{why}")
        return None
    return Ratio(Fraction(value))


def _check_ratio(
    each: ObjectiveSpec, target: Ratio | None, place: Place, problems: Problems
) -> None:
    if target is None and each.target is None and each.target_percent is None:
        problems.add(place, "needs target or targetPercent")
    for key in ("op", "value"):
        if getattr(each, key) is not None:
            problems.add((*place, key), "belongs to a thresholdMetric, not to a ratio")


def _check_bound(
    each: ObjectiveSpec,
    target: Ratio | None,
    indicator: Indicator,
    place: Place,
    problems: Problems,
) -> None:
    if each.op is None or each.value is None:
        problems.add(place, "needs op and value")
    if isinstance(indicator, QuantileIndicator):
        if each.op in ("gt", "gte"):
            problems.add((*place, "op"), "latency has an upper bound: lte or lt")
        if each.value is not None and each.value <= 0:
            problems.add((*place, "value"), "must be more than 0 (it is in seconds)")
        if target is not None and target != indicator.quantile:
            message = f"a quantile's target is the quantile itself, {indicator.quantile}"
            problems.add((*place, "targetPercent" if each.target is None else "target"), message)
    elif target is None and each.target is None and each.target_percent is None:
        problems.add(place, "needs target or targetPercent: the share of samples within bounds")


def _window(spec: SloSpec, problems: Problems) -> Duration | None:
    place: Place = ("spec", "timeWindow")
    if len(spec.time_window) != 1:
        problems.add(place, "OpenSLO v1 wants exactly one window")
        return None
    window, place = spec.time_window[0], (*place, 0)
    rolling = window.is_rolling if window.is_rolling is not None else window.calendar is None
    if rolling and window.calendar is not None:
        problems.add(place, "a rolling window has no calendar")
    if not rolling and window.calendar is None:
        problems.add(place, "a window that isn't rolling needs a calendar")
    if window.calendar is not None:
        _check_calendar(window.calendar, (*place, "calendar"), problems)
    try:
        return shorthand(window.duration, calendar=not rolling)
    except ValueError as error:
        problems.add((*place, "duration"), str(error))
        return None


def _check_calendar(calendar: Calendar, place: Place, problems: Problems) -> None:
    if not _START.fullmatch(calendar.start_time):
        message = f'"{calendar.start_time}" is not a time (try 2026-01-01 00:00:00)'
        problems.add((*place, "startTime"), message)
    try:
        zoneinfo.ZoneInfo(calendar.time_zone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        message = f'"{calendar.time_zone}" is not a time zone (try Europe/Berlin)'
        problems.add((*place, "timeZone"), message)


def _traffic(piece: Piece, problems: Problems) -> Rate | None:
    place: Place = ("metadata", "annotations")
    for key in piece.metadata.annotations:
        if key.startswith("sloproof/") and key != TRAFFIC:
            problems.add((*place, key), f"unknown annotation{suggestion(key, (TRAFFIC,))}")
    written = piece.metadata.annotations.get(TRAFFIC)
    if written is None:
        return None
    try:
        return Rate.parse(written)
    except ValueError as error:
        problems.add((*place, TRAFFIC), str(error))
        return None
