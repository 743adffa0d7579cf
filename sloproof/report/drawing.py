"""What all panels are drawn with: the axis of time, bands, titles, words at a place in pixels.

Names from a record enter only as data, never an expression.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from sloproof.report import palette
from sloproof.report.series import Axis
from sloproof.report.states import Stretch
from sloproof.report.words import clean

if TYPE_CHECKING:
    import altair as alt


Spec = dict[str, Any]
"""A part of a drawing, in Vega-Lite's own words."""

LETTER = 6.8
"""About how wide a letter is, in pixels, in the widest of the fonts a page may fall back to."""


@dataclass(frozen=True, slots=True)
class Frame:
    """Where a panel stands: the axis of time, its width in pixels, the bands across it.

    A fault is certain to have been in force in `faults`, and may have been in `perhaps`.

    Only the `lowest` panel carries the labels of the axis.
    """

    axis: Axis
    width: int
    faults: tuple[Stretch, ...]
    perhaps: tuple[Stretch, ...]
    phases: tuple[Stretch, ...]
    lowest: bool = False
    grid: bool = True

    def pixel(self, at_s: float) -> float:
        """A moment's place, from the left edge."""
        span = self.axis.end_s - self.axis.begin_s
        return (at_s - self.axis.begin_s) / span * self.width


def rows(values: Iterable[Mapping[str, object]]) -> alt.InlineData:
    """Data that stands in the specification itself.

    As one text: lists and mappings Altair copies deeply, each time it puts charts together.
    """
    import altair as alt

    text = json.dumps([dict(value) for value in values], allow_nan=False)
    return alt.InlineData(values=text, format=alt.JsonDataFormat(type="json"))


def time(frame: Frame, field: str = "x") -> alt.X:
    """The shared axis of time."""
    import altair as alt

    step = _time_step(frame)
    first = math.ceil(frame.axis.begin_s / step)
    ticks = [n * step for n in range(first, math.floor(frame.axis.end_s / step) + 1)]
    minutes = step >= 60
    return alt.X(
        f"{field}:Q",
        scale=alt.Scale(domain=[frame.axis.begin_s, frame.axis.end_s], nice=False, zero=False),
        axis=alt.Axis(
            values=ticks,
            labels=frame.lowest,
            grid=frame.grid,
            labelExpr=f"format(datum.value / {60 if minutes else 1}, ',~r')",
            title=f"{'minutes' if minutes else 'seconds'} after warm-up" if frame.lowest else None,
        ),
    )


def _time_step(frame: Frame) -> float:
    wanted = (frame.axis.end_s - frame.axis.begin_s) * 70 / frame.width
    small = [m * 10.0**e for e in range(-3, 2) for m in (1, 2, 5)]
    steps = [step for step in small if step < 60] + [60, 120, 300, 600, 1800, 3600, 7200, 21600]
    return next((step for step in steps if step >= wanted), 86400.0)


def backdrop(frame: Frame) -> list[alt.Chart]:
    """The bands of the faults and the edges of the phases, behind a panel's own marks."""
    import altair as alt

    bands = rows({"x": band.begin_s, "x2": band.end_s} for band in frame.perhaps)
    edges = rows({"x": phase.begin_s} for phase in frame.phases[1:])
    return [
        alt.Chart(bands)
        .mark_rect(fill=palette.FAULT, fillOpacity=0.1)
        .encode(time(frame), alt.X2("x2")),
        alt.Chart(edges).mark_rule(color=palette.MUTED, strokeDash=[1, 3]).encode(time(frame)),
    ]


@dataclass(frozen=True, slots=True)
class Text:
    """Words at a place in pixels of their panel."""

    x: float
    y: float
    text: str
    colour: str = palette.MUTED
    align: Literal["left", "right"] = "left"
    bold: bool = False


def write(texts: Sequence[Text]) -> list[alt.Chart]:
    """The marks for texts, one layer for each look."""
    import altair as alt

    looks = dict.fromkeys((each.align, each.bold) for each in texts if each.text)
    return [
        alt.Chart(
            rows(
                {"x": each.x, "y": each.y, "text": clean(each.text), "colour": each.colour}
                for each in texts
                if each.text and (each.align, each.bold) == (align, bold)
            )
        )
        .mark_text(align=align, baseline="middle", limit=0, fontWeight=600 if bold else 400)
        .encode(
            x=alt.X("x:Q", scale=None, axis=None),
            y=alt.Y("y:Q", scale=None, axis=None),
            text=alt.Text("text:N"),
            color=alt.Color("colour:N", scale=None, legend=None),
        )
        for align, bold in looks
    ]


def heading(frame: Frame, title: str, legend: Sequence[tuple[str, str]] = ()) -> list[alt.Chart]:
    """A panel's title at its left, its legend in the colours of the lines at its right."""
    texts = [Text(0, -11, title, palette.INK, bold=True)]
    right = float(frame.width)
    for text, colour in reversed(legend):
        texts.append(Text(right, -11, text, colour, "right", bold=True))
        right -= text_width(text) + 16
    return write(texts)


def text_width(text: str) -> float:
    """About how wide a text is at the charts' size, in pixels."""
    return LETTER * len(text)


def fitting(text: str, room: float) -> str:
    """`text`, shortened to the room there is; empty where not even a few letters fit."""
    if text_width(text) <= room:
        return text
    letters = int(room / LETTER) - 1
    return f"{text[:letters].rstrip()}…" if letters >= 3 else ""


def panel(frame: Frame, marks: Sequence[alt.Chart], height: float) -> Spec:
    """Marks put upon each other, at the width that all panels share.

    As Vega-Lite: Altair's own layers copy all that is in them, several times.
    """
    return {"layer": [_plain(mark) for mark in marks], "width": frame.width, "height": height}


def _plain(mark: alt.Chart) -> Spec:
    """A mark as Vega-Lite, with its data."""
    found: dict[str, Any] = {}
    spec: Spec = mark.to_dict(validate=False, context={"top_level": False, "datasets": found})
    spec["data"]["values"] = found[spec["data"].pop("name")]
    return spec
