"""The panels of the timeline, one function each, from counts to layers of marks."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sloproof.report import palette
from sloproof.report.drawing import (
    Frame,
    Spec,
    Text,
    backdrop,
    fitting,
    heading,
    panel,
    rows,
    time,
    write,
)
from sloproof.report.series import Bins, has_slowest, quantile, rates, slowest
from sloproof.report.states import Stretch, Strip
from sloproof.report.timeline import Limit
from sloproof.report.words import clean, ratio, seconds

if TYPE_CHECKING:
    import altair as alt
    import numpy as np
    from numpy.typing import NDArray

    Values = NDArray[np.float64]

LANE = 20
ROW = 32
MOST_LANES = 12
STATE_LOOKS = {
    "up": (palette.WELL, 3),
    "closed": (palette.WELL, 3),
    "half-open": (palette.HALF, 8),
    "now and then": (palette.HALF, 8),
    "down": (palette.FAILED, 13),
    "open": (palette.INK, 13),
}
"""How a state looks: its colour, and its height: the taller the worse."""


def header(frame: Frame) -> Spec:
    """The phases by name, and below them a lane for each fault with a bar for each occurrence."""
    import altair as alt

    frame = replace(frame, grid=False)
    lanes: dict[str, list[Stretch]] = {}
    for band in frame.faults:
        lanes.setdefault(clean(band.state), []).append(band)
    texts = []
    for phase in frame.phases:
        left, right = frame.pixel(phase.begin_s), frame.pixel(phase.end_s)
        texts.append(Text(left + 4, 8, fitting(phase.state, right - left - 4)))
    for lane, (name, bands) in enumerate(list(lanes.items())[:MOST_LANES]):
        texts.append(_fault_name(frame, name, bands[0], _lane_top(lane) + LANE / 2 - 1))
    place = {name: _lane_top(lane) for lane, name in enumerate(list(lanes)[:MOST_LANES])}
    certain = alt.Chart(_bars(frame.faults, place)).mark_rect(
        fill=palette.FAULT, fillOpacity=0.3, stroke=palette.FAULT
    )
    perhaps = alt.Chart(_bars(frame.perhaps, place)).mark_rect(fill=palette.FAULT, fillOpacity=0.15)
    pixels = alt.Y("y:Q", scale=None, axis=None)
    bars = [
        bar.encode(time(frame), pixels, alt.X2("x2"), alt.Y2("y2")) for bar in (perhaps, certain)
    ]
    marks = [*backdrop(frame)[1:], *bars, *write(texts)]
    height = _lane_top(min(len(lanes), MOST_LANES))
    return panel(frame, marks, height)


def _bars(bands: Sequence[Stretch], place: Mapping[str, int]) -> alt.InlineData:
    """A bar for each band in the lane of its name."""
    return rows(
        {
            "x": band.begin_s,
            "x2": band.end_s,
            "y": place[clean(band.state)],
            "y2": place[clean(band.state)] + LANE - 3,
        }
        for band in bands
        if clean(band.state) in place
    )


def _lane_top(lane: int) -> int:
    return 20 + lane * LANE


def _fault_name(frame: Frame, name: str, band: Stretch, y: float) -> Text:
    """A fault's name in its bar, or beside it where there is more room."""
    left = max(frame.pixel(band.begin_s), 0)
    if left < frame.width * 0.6:
        return Text(
            left + 5, y, fitting(name, frame.width - left - 8), palette.FAULT_TEXT, bold=True
        )
    return Text(left - 5, y, fitting(name, left - 8), palette.FAULT_TEXT, "right", bold=True)


def latency(frame: Frame, bins: Bins, limits: Sequence[Limit]) -> Spec:
    """Median, 99th percentile and slowest answer by when requests were due, on a log scale.

    A quantile that falls among failed requests has no value: it is drawn at the top, marked ∞.
    """
    import altair as alt

    lines = {
        "slowest": (slowest(bins.latencies), palette.SLOWEST, 0.8),
        "p99": (quantile(bins.latencies, 0.99), palette.P99, 1.6),
        "median": (quantile(bins.latencies, 0.5), palette.MEDIAN, 1.6),
    }
    if not has_slowest(bins):
        del lines["slowest"]  # it would lie unseen below the line of the 99th percentile
    scale = _log_scale([values for values, _, _ in lines.values()], limits)
    marks = backdrop(frame)
    for values, colour, width in lines.values():
        data = rows(_points(frame, bins, scale.placed(values)))
        line = alt.Chart(data).mark_line(
            color=colour, strokeWidth=width, invalid="break-paths-show-domains"
        )
        marks.append(line.encode(time(frame), scale.y))
    marks += _limit_marks(frame, limits, scale.y)
    legend = [(name, colour) for name, (_, colour, _) in reversed(lines.items())]
    marks += heading(frame, "Latency", legend)
    return panel(frame, marks, 150)


@dataclass(frozen=True, slots=True)
class _LogScale:
    """A logarithmic scale from `low` to `high` seconds; above it `top`, the place of ∞, if any."""

    low: float
    high: float
    top: float | None

    def placed(self, values: Values) -> Values:
        """Infinite values at their place on the scale."""
        import numpy as np

        return np.where(np.isinf(values), self.top or self.high, values)

    @property
    def y(self) -> alt.Y:
        """The scale as an axis with its values in words."""
        import altair as alt

        steps = _DECADES if self.high >= self.low * 1000 else _THIRDS
        ticks = [t for t in steps if self.low * 0.999 <= t <= self.high * 1.001]
        spelled = {tick: seconds(tick) for tick in ticks}
        if self.top:
            spelled[self.top] = "∞"
        # Only figures of our own making enter this expression.
        cases = "".join(f"datum.value === {tick!r} ? '{text}' : " for tick, text in spelled.items())
        return alt.Y(
            "y:Q",
            title=None,
            scale=alt.Scale(type="log", domain=[self.low, self.top or self.high], nice=False),
            axis=alt.Axis(values=list(spelled), labelExpr=f"{cases}''"),
        )


_DECADES = [10.0**e for e in range(-5, 4)]
_THIRDS = [step * decade for decade in _DECADES for step in (1, 2, 5)]


def _log_scale(lines: Iterable[Values], limits: Sequence[Limit]) -> _LogScale:
    import numpy as np

    values = np.concatenate([*lines, np.array([limit.value_s for limit in limits])])
    finite = values[np.isfinite(values)]
    least, most = (finite.min(), finite.max()) if len(finite) else (1e-3, 1.0)
    low, high = _round_down(least), _round_up(max(most, least * 10))
    top = high * (high / low) ** 0.12 if np.isinf(values).any() else None
    return _LogScale(low, high, top)


def _round_down(value: float) -> float:
    decade = 10.0 ** math.floor(math.log10(value))
    return max(step * decade for step in (1, 2, 5) if step * decade <= value * 1.001)


_COARSE = (1, 2, 5, 10)
_FINE = (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10)


def _round_up(value: float, steps: Sequence[float] = _COARSE) -> float:
    decade = 10.0 ** math.floor(math.log10(value))
    return min(step * decade for step in steps if step * decade >= value * 0.999)


def _points(frame: Frame, bins: Bins, values: Values) -> Iterable[dict[str, object]]:
    """The middle of each bin with its value, rounded to what can be seen; None for none."""
    for n, value in enumerate(values.tolist()):
        x = bins.begin_s + (n + 0.5) * bins.width_s
        if x <= frame.axis.end_s:
            yield {"x": round(x, 6), "y": None if math.isnan(value) else float(f"{value:.4g}")}


def _steps(frame: Frame, bins: Bins, values: Values) -> Iterable[dict[str, object]]:
    """The beginning of each bin with its value, and the last value once more at the end."""
    last = 0.0
    for n, value in enumerate(values.tolist()):
        last = float(f"{value:.4g}")
        yield {"x": round(bins.begin_s + n * bins.width_s, 6), "y": last}
    yield {"x": frame.axis.end_s, "y": last}


def _limit_marks(frame: Frame, limits: Sequence[Limit], y: alt.Y) -> list[alt.Chart]:
    import altair as alt

    if not limits:
        return []
    data = rows(
        {
            "x": limit.begin_s,
            "x2": limit.end_s,
            "y": limit.value_s,
            "text": f"limit {seconds(limit.value_s)}",
        }
        for limit in limits
    )
    rule = alt.Chart(data).mark_rule(color=palette.INK, strokeDash=[5, 3], strokeWidth=1)
    text = alt.Chart(data).mark_text(align="right", dx=-4, dy=-7, color=palette.INK, limit=0)
    return [
        rule.encode(time(frame), y, alt.X2("x2")),
        text.encode(time(frame, "x2"), y, alt.Text("text:N")),
    ]


def failed(frame: Frame, bins: Bins) -> Spec:
    """The share of requests that failed, by when they were due."""
    import altair as alt
    import numpy as np

    share = bins.failed / np.maximum(bins.offered, 1)
    if not bins.failed.any():
        marks = [*heading(frame, "Failed requests"), *write([Text(0, 6, "none")])]
        return panel(frame, [*backdrop(frame), *marks], 12)
    top = _round_up(float(share.max()))
    y = _amount(top, f"datum.value === 0 ? '0%' : '{ratio(top)}'")
    area = alt.Chart(rows(_steps(frame, bins, share))).mark_area(
        interpolate="step-after", fill=palette.FAILED, fillOpacity=0.85
    )
    marks = [*backdrop(frame), area.encode(time(frame), y), *heading(frame, "Failed requests")]
    return panel(frame, marks, 48)


def rate(frame: Frame, bins: Bins) -> Spec:
    """Requests per second: those due as a line, those answered well as an area."""
    import altair as alt

    offered, answered = rates(bins, frame.axis.end_s)
    top = _round_up(max(float(offered.max()), float(answered.max()), 1e-3), _FINE)
    y = _amount(top, "format(datum.value, '~s')")
    area = alt.Chart(rows(_steps(frame, bins, answered))).mark_area(
        interpolate="step-after", fill=palette.ANSWERED
    )
    line = alt.Chart(rows(_steps(frame, bins, offered))).mark_line(
        interpolate="step-after", color=palette.INK, strokeWidth=1.2
    )
    legend = [("due", palette.INK), ("answered", palette.MEDIAN)]
    marks = [
        *backdrop(frame),
        area.encode(time(frame), y),
        line.encode(time(frame), y),
        *heading(frame, "Requests per second", legend),
    ]
    return panel(frame, marks, 64)


def _amount(top: float, label: str) -> alt.Y:
    import altair as alt

    return alt.Y(
        "y:Q",
        title=None,
        scale=alt.Scale(domain=[0, top], nice=False),
        axis=alt.Axis(values=[0, top], labelExpr=label),
    )


def strips(frame: Frame, title: str, shown: Sequence[Strip]) -> Spec:
    """A row for each probe or breaker, its name above it: thin when well, tall when not."""
    import altair as alt

    texts = [
        Text(0, n * ROW + 7, fitting(strip.name, frame.width)) for n, strip in enumerate(shown)
    ]
    marks = [*backdrop(frame), *write(texts)]
    for state in dict.fromkeys(piece.state for strip in shown for piece in strip.stretches):
        colour, height = STATE_LOOKS[state]
        data = rows(
            {
                "x": piece.begin_s,
                "x2": piece.end_s,
                "y": n * ROW + 28 - height,
                "y2": n * ROW + 28,
            }
            for n, strip in enumerate(shown)
            for piece in strip.stretches
            if piece.state == state
        )
        y = alt.Y("y:Q", scale=None, axis=None)
        block = alt.Chart(data).mark_rect(fill=colour)
        marks.append(block.encode(time(frame), y, alt.X2("x2"), alt.Y2("y2")))
    states = dict.fromkeys(piece.state for strip in shown for piece in strip.stretches)
    legend = [(state, STATE_LOOKS[state][0]) for state in STATE_LOOKS if state in states]
    marks += heading(frame, title, legend)
    return panel(frame, marks, ROW * len(shown))
