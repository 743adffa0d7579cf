"""The timeline as one drawing: Altair's specification, as SVG for wide and narrow pages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from sloproof.report import palette, panels
from sloproof.report.drawing import Frame, Spec
from sloproof.report.svg import slim
from sloproof.report.timeline import Timeline


@dataclass(frozen=True, slots=True)
class Format:
    """How wide a drawing is, and how many time bins it has room for."""

    width: int
    bins: int


WIDE = Format(width=850, bins=400)
NARROW = Format(width=300, bins=100)


def draw(shown: Timeline, form: Format, label: str) -> str:
    """The timeline as SVG; `label` says in words what can be seen."""
    import vl_convert

    spec = specification(shown, form)
    # An empty list of addresses: a drawing never fetches anything.
    svg = vl_convert.vegalite_to_svg(spec, vl_version="v6.1", allowed_base_urls=[])
    return slim(svg, label)


def specification(shown: Timeline, form: Format) -> Spec:
    """The drawing as a Vega-Lite specification: panels above each other, one axis of time."""
    frame = Frame(shown.axis, form.width, shown.faults, shown.perhaps, shown.phases)
    *upper, lowest = _panels(shown, form)
    stack = [*(panel(frame) for panel in upper), lowest(replace(frame, lowest=True))]
    return {
        "vconcat": stack,
        "spacing": 30,
        "bounds": "flush",
        "resolve": {"scale": {"x": "independent"}},
        "config": _config(),
    }


def _panels(shown: Timeline, form: Format) -> list[Callable[[Frame], Spec]]:
    """What there is to show, from the top."""
    stack: list[Callable[[Frame], Spec]] = [panels.header]
    if shown.bins is not None:
        bins = shown.bins.merged(form.bins)
        stack += [
            partial(panels.latency, bins=bins, limits=shown.limits),
            partial(panels.failed, bins=bins),
            partial(panels.rate, bins=bins),
        ]
    for kind, title in (("probe", "Probes"), ("breaker", "Circuit breakers")):
        strips = [strip for strip in shown.strips if strip.kind == kind]
        if strips:
            stack.append(partial(panels.strips, title=title, shown=strips))
    return stack


def _config() -> dict[str, Any]:
    return {
        "padding": {"top": 2, "right": 8, "bottom": 4, "left": 0},
        "background": "transparent",
        "aria": False,
        "font": "sans-serif",
        "view": {"stroke": None},
        "axis": {
            "labelFontSize": 11,
            "labelColor": palette.MUTED,
            "titleColor": palette.MUTED,
            "titleFontWeight": "normal",
            "gridColor": palette.GRID,
            "domainColor": palette.GRID,
            "ticks": False,
            "labelPadding": 6,
        },
        "axisY": {"minExtent": 52, "maxExtent": 52},
    }
