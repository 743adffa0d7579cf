"""Indicators: what is counted or measured, over the record or a signal of the target."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from sloproof.spec.objectives import (
    Indicator,
    Matcher,
    QuantileIndicator,
    RatioIndicator,
    SignalIndicator,
)
from sloproof.spec.openslo.catalogue import Catalogue
from sloproof.spec.openslo.shapes import Metric, RatioMetric, RequestsSource, SignalSource, SliSpec
from sloproof.spec.places import Place, Problems
from sloproof.spec.shapes import validated

OUR_TYPE = "sloproof"
_PROMQL = (
    "a Prometheus server knows nothing of requests that never arrived: count those of the run "
    "(type: sloproof), or have a signal of the target ask the query (signals: [{name: NAME, kind: "
    "promql, params: {url: …, query: …}}]) and write type: sloproof, spec: {signal: NAME} in a "
    "thresholdMetric"
)
_BAD = (
    "a request without an answer is neither good nor known to be bad, "
    "so total - bad would call it good: say what is good"
)
_RAW = "a ready ratio hides its counts, so nothing can be proven from it: give good and total"
_OUTCOME = "says how a request went, so what failed would drop out of total: write it in good alone"
_GAUGE = "requests are counted, so counter must be true"


def build_indicator(
    spec: SliSpec, place: Place, catalogue: Catalogue, problems: Problems
) -> Indicator | None:
    """The indicator that an SLI describes, or None after noting what can't be honoured."""
    if (spec.threshold_metric is None) == (spec.ratio_metric is None):
        problems.add(place, "needs exactly one of thresholdMetric and ratioMetric")
        return None
    if spec.ratio_metric is not None:
        return _ratio(spec.ratio_metric, (*place, "ratioMetric"), catalogue, problems)
    if spec.threshold_metric is None:
        return None
    inside = (*place, "thresholdMetric")
    source = _source(spec.threshold_metric, inside, catalogue, problems)
    return None if source is None else _threshold(source, inside, problems)


def _ratio(
    metric: RatioMetric, place: Place, catalogue: Catalogue, problems: Problems
) -> RatioIndicator | None:
    if metric.raw is not None or metric.raw_type is not None:
        problems.add((*place, "raw" if metric.raw else "rawType"), _RAW)
        return None
    if metric.bad is not None:
        problems.add((*place, "bad"), _BAD)
        return None
    for key, value in (("good", metric.good), ("total", metric.total)):
        if value is None:
            problems.add((*place, key), "is required")
    if metric.counter is not True:
        problems.add((*place, "counter"), _GAUGE)
    if metric.good is None or metric.total is None:
        return None
    good = _matcher(metric.good, (*place, "good"), catalogue, problems)
    total = _matcher(metric.total, (*place, "total"), catalogue, problems)
    if good is None or total is None:
        return None
    for key in ("status", "within"):
        if getattr(total, key):
            problems.add((*place, "total", "metricSource", "spec", key), _OUTCOME)
    return _narrowed(good, total, place, problems)


def _narrowed(
    good: Matcher, total: Matcher, place: Place, problems: Problems
) -> RatioIndicator | None:
    """What `good` leaves open it takes over from `total`; it can't name other requests."""
    changes: dict[str, Any] = {}
    for each in dataclasses.fields(Matcher):
        of_good, of_total = getattr(good, each.name), getattr(total, each.name)
        if not of_good and of_total:
            changes[each.name] = of_total
        elif each.name not in ("status", "within") and of_total and of_good != of_total:
            inside = (*place, "good", "metricSource", "spec", each.name)
            problems.add(inside, f'must be that of total, "{of_total}": good is a part of total')
    return RatioIndicator(good=dataclasses.replace(good, **changes), total=total)


def _matcher(
    metric: Metric, place: Place, catalogue: Catalogue, problems: Problems
) -> Matcher | None:
    source = _source(metric, place, catalogue, problems)
    inside = (*place, "metricSource", "spec")
    if source is None:
        return None
    matcher = validated(Matcher, dict(source), inside, problems)
    return _checked(matcher, inside, problems) if matcher is not None else None


def _threshold(source: Mapping[str, Any], place: Place, problems: Problems) -> Indicator | None:
    inside = (*place, "metricSource", "spec")
    if "signal" in source:
        signal = validated(SignalSource, dict(source), inside, problems)
        return SignalIndicator(signal=signal.signal) if signal is not None else None
    if "quantile" not in source:
        problems.add(inside, "needs a quantile (of the requests' latency) or a signal")
        return None
    asked = validated(RequestsSource, dict(source), inside, problems, camel=True)
    if asked is None:
        return None
    if not 0 < asked.quantile.value < 1:
        problems.add((*inside, "quantile"), "must lie between 0% and 100%")
    if asked.within is not None:
        problems.add((*inside, "within"), "the bound of a quantile is its objective's value")
    names = [each.name for each in dataclasses.fields(Matcher)]
    total = _checked(Matcher(**{n: getattr(asked, n) for n in names}), inside, problems)
    return QuantileIndicator(total=total, quantile=asked.quantile, latency_of=asked.latency_of)


def _checked(matcher: Matcher, place: Place, problems: Problems) -> Matcher:
    for n, status in enumerate(matcher.status):
        digits, wild = status[:1], status[1:]
        if digits not in "12345" or len(status) != 3 or not (wild == "xx" or wild.isdecimal()):
            message = f'"{status}" is not a status (try 2xx or 503)'
            problems.add((*place, "status", n), message)
    if matcher.path and not matcher.path.startswith("/"):
        problems.add((*place, "path"), f'"{matcher.path}" is not a path (try /{matcher.path})')
    if matcher.method != matcher.method.upper():
        problems.add((*place, "method"), f"try {matcher.method.upper()}")
    if matcher.within is not None and matcher.within.ns <= 0:
        problems.add((*place, "within"), "must be longer than nothing")
    return matcher


def _source(
    metric: Metric, place: Place, catalogue: Catalogue, problems: Problems
) -> Mapping[str, Any] | None:
    """The source's own fields, if it is one that sloproof reads."""
    source, inside = metric.metric_source, (*place, "metricSource")
    kind, blamed = source.type, (*inside, "type")
    if source.metric_source_ref is not None:
        blamed = (*inside, "metricSourceRef")
        piece = catalogue.refer("DataSource", source.metric_source_ref, blamed, problems)
        if piece is None:
            return None
        if kind is not None and kind != piece.spec.type:
            problems.add((*inside, "type"), f"is {kind}, but the DataSource's is {piece.spec.type}")
        kind = str(piece.spec.type)
    if kind == OUR_TYPE:
        return source.spec
    if kind is None:
        problems.add(inside, "needs a type or a metricSourceRef")
    elif kind.lower() == "prometheus":
        problems.add(blamed, _PROMQL)
    else:
        problems.add(blamed, f"{kind} can't be read: there is sloproof, with a signal or requests")
    return None
