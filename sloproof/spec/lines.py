"""The lines of `verify`: one check each, by name, with its window and its kind of claim."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from sloproof.contracts import Check, Ratio
from sloproof.spec.experiment import Line
from sloproof.spec.places import Place, Problems, field_of, suggestion
from sloproof.spec.shapes import keys_of, salvaged, validated
from sloproof.spec.written import FaultWindow, Siblings

_BESIDE = tuple(keys_of(Siblings))
_UNFIT = re.compile(r"[^A-Za-z0-9._/]+")


def build_lines(
    written: tuple[Mapping[str, Any], ...],
    known: Mapping[str, type[Check]],
    faults: frozenset[str],
    problems: Problems,
) -> tuple[Line, ...]:
    """The lines that can be built; notes what keeps the others from it, and ids that come twice."""
    lines: list[Line] = []
    first: dict[str, int] = {}
    for n, entry in enumerate(written):
        place: Place = ("spec", "verify", n)
        line = _build(entry, place, known, problems)
        if line is None:
            continue
        if line.during.startswith("fault:") and line.during.removeprefix("fault:") not in faults:
            name = line.during.removeprefix("fault:")
            message = f'no fault is called "{name}"{suggestion(name, faults)}'
            problems.add((*place, "during", "fault"), message)
        if line.id in first and not problems.within(place):
            message = f"has the id {line.id} of spec.verify[{first[line.id]}]: give it a name"
            problems.add(place, message)
        first.setdefault(line.id, n)
        lines.append(line)
    return tuple(lines)


def _build(
    entry: Mapping[str, Any], place: Place, known: Mapping[str, type[Check]], problems: Problems
) -> Line | None:
    kind = _kind(entry, place, known, problems)
    siblings = {key: entry[key] for key in entry if key in _BESIDE}
    beside = salvaged(Siblings, siblings, place, problems, {})
    if kind is None or beside is None:
        return None
    check = _check(known[kind], entry[kind], (*place, kind), problems)
    if not Fraction(1, 2) <= beside.confidence.value < 1:
        problems.add((*place, "confidence"), "must be at least 50% and less than 100%")
    if beside.during is not None and not known[kind].windowed:
        problems.add((*place, "during"), f"{kind} is about the whole run, so it can't have during")
    _check_tolerances(known[kind], beside.tolerance, (*place, "tolerance"), problems)
    if check is None:
        return None
    return Line(
        id=_id(kind, beside, check),
        check=check,
        during=_window(beside),
        general=None if beside.in_ is None else beside.in_ == "general",
        confidence=beside.confidence,
        tolerance=beside.tolerance,
    )


def _check_tolerances(
    check: type[Check], given: Mapping[str, Any], place: Place, problems: Problems
) -> None:
    """Note each relaxed limit that the check doesn't have, or that has another unit."""
    for name, value in given.items():
        wanted = check.tolerances.get(name)
        if wanted is None:
            have = suggestion(name, check.tolerances) if check.tolerances else ": it has none"
            problems.add((*place, name), f'{check.kind} has no tolerance "{name}"{have}')
        elif not isinstance(value, wanted):
            noun = getattr(wanted, "noun", wanted.__name__)
            problems.add((*place, name), f"expected a {noun}, got {value}")
        elif name == "target" and isinstance(value, Ratio) and not value.value:
            problems.add((*place, name), "must be more than 0%: nothing could miss it")


def _kind(
    entry: Mapping[str, Any], place: Place, known: Mapping[str, type[Check]], problems: Problems
) -> str | None:
    """The one key that names a check; notes every other key that doesn't belong there."""
    kinds = [key for key in entry if key in known]
    strange = [key for key in entry if key not in known and key not in _BESIDE]
    for key in strange:
        noun, options = ("key", _BESIDE) if kinds else ("check", tuple(known))
        problems.add((*place, key), f'unknown {noun} "{key}"{suggestion(key, options)}')
    if len(kinds) > 1:
        problems.add(place, f"names several checks ({', '.join(kinds)}): a line is one check")
    if not kinds and not strange:
        problems.add(place, f"names no check{suggestion('', known)}")
    return kinds[0] if len(kinds) == 1 else None


def _check(shape: type[Check], value: Any, place: Place, problems: Problems) -> Check | None:
    fields = list(keys_of(shape))
    if value is None:
        value = {}
    if not isinstance(value, dict):
        if not fields:
            problems.add(place, f'takes no value: write "{shape.kind}:" and nothing behind it')
            return None
        return _alone(shape, fields[0], value, place, problems)
    return salvaged(shape, value, place, problems, {})


def _alone(
    shape: type[Check], field: str, value: Any, place: Place, problems: Problems
) -> Check | None:
    """A check given as a plain value, which stands for its first field."""
    document = problems.document
    lossy = document.lossy.get(place, "")
    noted = Problems(dataclasses.replace(document, lossy={(*place, field): lossy}))
    check = validated(shape, {field: value}, place, noted)
    inside = field_of((*place, field))
    for each in noted.found:
        if each.field == inside:
            problems.add(place, each.message)
        else:
            problems.found.append(each)
    return check


def _window(beside: Siblings) -> str:
    if isinstance(beside.during, FaultWindow):
        return f"fault:{beside.during.fault}"
    return beside.during or "run"


def _id(kind: str, beside: Siblings, check: Check) -> str:
    """`kind:label@window`, without brackets and blanks, which test runners stumble over."""
    label = _UNFIT.sub("-", beside.name or check.label()).strip("-")
    window = beside.during.fault if isinstance(beside.during, FaultWindow) else beside.during
    return kind + (f":{label}" if label else "") + (f"@{window}" if window else "")
