"""A converter's SVG made small, safe to inline, and the same on every machine."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_DRAWN = frozenset({"svg", "g", "path", "line", "rect", "text"})
_KEPT = frozenset(
    {
        *("d", "x", "y", "x1", "y1", "x2", "y2", "width", "height", "transform", "opacity"),
        *("fill", "fill-opacity", "stroke", "stroke-width", "stroke-opacity", "stroke-dasharray"),
        *("text-anchor", "font-size", "font-weight"),
    }
)
"""What may stand in the result: no handlers, no links, no ids that two charts could share."""

_DEFAULTS = {("opacity", "1"), ("stroke-width", "1"), ("transform", "translate(0,0)")}
_NUMBER = re.compile(r"-?\d+\.\d+(?:e-?\d+)?")


def slim(svg: str, label: str) -> str:
    """`svg` with only its shapes and words, coordinates to a tenth of a pixel, named `label`."""
    # The text comes from the converter in this process and the standard parser expands nothing
    # external; going through a tree is what makes the list above a guarantee.
    from xml.etree import ElementTree as ET

    root = ET.fromstring(svg)  # noqa: S314
    drawing = ET.Element(
        "svg",
        {
            "viewBox": root.attrib["viewBox"],
            "role": "img",
            "aria-label": label,
            "font-size": "11px",
            "fill": "none",
        },
    )
    for child in root:
        drawing.extend(_shapes(child))
    return ET.tostring(drawing, encoding="unicode")


def _shapes(element: Element) -> list[Element]:
    """What is left of an element: itself, or its children where it adds nothing to them."""
    tag = element.tag.rpartition("}")[2]
    if tag not in _DRAWN or _is_invisible(element):
        return []
    children = _joined([shape for child in element for shape in _shapes(child)])
    attributes = {
        name: _rounded(value)
        if name in {"d", "transform", *"xy", "x1", "x2", "y1", "y2"}
        else value
        for name, value in element.attrib.items()
        if name in _KEPT
    }
    for name, value in _DEFAULTS:
        if attributes.get(name) == value:
            del attributes[name]
    if tag == "text" and attributes.get("font-size") == "11px":
        del attributes["font-size"]
    if tag == "g" and not children:
        return []
    if tag == "g" and (not attributes or attributes == {"fill": "none"}):
        return children
    shape = element.makeelement(tag, attributes)
    shape.text = element.text if tag == "text" else None
    shape.extend(children)
    return [shape]


def _joined(shapes: list[Element]) -> list[Element]:
    """Neighbouring paths of one look as one path: a row of blocks takes a third of the room."""
    joined: list[Element] = []
    for shape in shapes:
        before = joined[-1] if joined else None
        if (
            before is not None
            and before.tag == shape.tag == "path"
            and _look(before) == _look(shape)
        ):
            before.set("d", before.get("d", "") + shape.get("d", ""))
        else:
            joined.append(shape)
    return joined


def _look(path: Element) -> dict[str, str]:
    return {name: value for name, value in path.attrib.items() if name != "d"}


def _is_invisible(element: Element) -> bool:
    get = element.attrib.get
    if get("display") == "none" or (get("d") == "" and get("class") != "root"):
        return True
    unpainted = get("fill") in {None, "none", "transparent"} and get("stroke") in {
        None,
        "transparent",
    }
    return get("class") == "background" and unpainted


def _rounded(text: str) -> str:
    return _NUMBER.sub(lambda found: f"{float(found[0]):.1f}".removesuffix(".0"), text)
