"""Figures and foreign text in words that a page, an XML file or a terminal can carry."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence

from sloproof.judge.drill import SuiteVerdict
from sloproof.model.verdict import Claim, Number, Verdict

NOTHING = "–"
# What XML 1.0 has no place for (it also ends the process of the SVG converter), what a terminal
# obeys, and the marks that turn the direction of text around, by which a name poses as another.
_UNSPEAKABLE = re.compile(
    "[^\t\n\r\u0020-\u007e\u00a0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]|[\u202a-\u202e\u2066-\u2069]"
)


def clean(text: object) -> str:
    """`text` as a string in which every character may stand in XML and HTML."""
    return _UNSPEAKABLE.sub("\ufffd", str(text))


def _fixed(value: float, decimals: int) -> str:
    text = f"{value:,.{max(decimals, 0)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _figures(value: float, digits: int) -> str:
    """`value` to so many significant digits, whole numbers kept whole."""
    if value == 0:
        return "0"
    return _fixed(value, digits - 1 - math.floor(math.log10(abs(value))))


def seconds(value: float, digits: int = 3) -> str:
    """A length of time given in seconds: `0.42 ms`, `812 ms`, `3.21 s`, `2 min 5 s`."""
    size = abs(value)
    if not math.isfinite(value):
        return "∞"
    if size >= 120:
        whole = round(size)
        parts = [(whole // 3600, "h"), (whole // 60 % 60, "min"), (whole % 60, "s")]
        return "−" * (value < 0) + " ".join(f"{n} {unit}" for n, unit in parts if n)
    if size >= 1 or size == 0:
        return f"{_figures(value, digits)} s"
    return f"{_figures(value * 1e3, digits)} ms"


def about(value: float) -> str:
    """A length of time that is only known approximately; nan where there is none."""
    if math.isnan(value):
        return NOTHING
    return f"≈ {seconds(value, 2)}" if math.isfinite(value) else "∞"


def ratio(value: float, digits: int = 3) -> str:
    """A ratio in per cent, with as many decimals as keep 99.987% apart from 100%."""
    rest = min(abs(value), abs(1 - value)) * 100
    decimals = 0 if rest == 0 else digits - 1 - math.floor(math.log10(rest))
    return f"{_fixed(value * 100, min(max(decimals, 1), 9))}%"


def size(value: float, digits: int = 3) -> str:
    """An amount of bytes: `512 B`, `1.5 MiB`."""
    for unit, bytes_in_it in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if abs(value) >= bytes_in_it:
            return f"{_figures(value / bytes_in_it, digits)} {unit}"
    return f"{_figures(value, digits)} B"


def figure(value: float | None, unit: str, extra: int = 0) -> str:
    """A value in its unit (see `Number`); `extra` digits beyond the usual, to tell two apart."""
    if value is None:
        return NOTHING
    if not math.isfinite(value):
        return "∞"
    if unit == "count" and isinstance(value, int):
        return f"{value:,}"
    spell, digits = _SPELLED.get(unit, (_figures, 3))
    text = spell(value, digits + extra)
    return text if unit in _SPELLED else f"{text} {clean(unit)}".rstrip()


_SPELLED: dict[str, tuple[Callable[[float, int], str], int]] = {
    "s": (seconds, 3),
    "ratio": (ratio, 3),
    "B": (size, 3),
    "B/s": (lambda value, digits: f"{size(value, digits)}/s", 3),
    "/s": (lambda value, digits: f"{_figures(value, digits)}/s", 3),
    "count": (_figures, 3),
}


def number(shown: Number, extra: int = 0) -> str:
    """A number's value; where it has none but a lower bound, that."""
    if shown.value is None and shown.low:
        return f"over {figure(shown.low, shown.unit, extra)}"
    return figure(shown.value, shown.unit, extra)


def bounds(shown: Number) -> str:
    """The bounds around a number's value, or empty: `3.204 s to 3.231 s`, `at least 99.2%`."""
    low, high = shown.low, shown.high
    if shown.value is None or (low is None and high is None) or low == high:
        return ""
    if high is None:
        return f"at least {figure(low, shown.unit, 1)}"
    return (
        interval((low, high), shown.unit)
        if low is not None
        else (f"at most {figure(high, shown.unit, 1)}")
    )


def interval(bounds: Sequence[float | None] | None, unit: str = "s") -> str:
    """Two bounds in a unit: `3.204 s to 3.231 s`, `over 5 s` without an upper one."""
    if bounds is None or bounds[0] is None:
        return NOTHING
    low, high = figure(bounds[0], unit, 1), figure(bounds[1], unit, 1)
    if bounds[1] is None or not math.isfinite(bounds[1]):
        return f"over {low}"
    return low if low == high else f"{low} to {high}"


def moments(begin: float, end: float, between: str = "to") -> str:
    """Two moments with as many decimals as their distance asks for: `6.647 s to 6.687 s`."""
    if begin == end:
        return f"{_fixed(begin, 3)} s"
    decimals = min(max(1 - math.floor(math.log10(abs(end - begin) * 2)), 2), 6)
    return f"{begin:,.{decimals}f} s {between} {end:,.{decimals}f} s"


def required(asked: Sequence[Number], extra: int = 0) -> str:
    """What a measurement has to meet, and on which side: `≥ 99%`, `≤ 5 s`, `≥ 90% within 3 s`."""
    return " ".join(_required(each, extra) for each in asked) or NOTHING


def _required(asked: Number, extra: int) -> str:
    name = spoken(asked.name).lower()
    least = re.match(r"at.least\b|minimum\b", name) or (name == "target" and asked.unit == "ratio")
    most = re.match(r"at.most\b|maximum\b|limit\b|rto\b|rpo\b", name)
    sign = "≥ " if least else "≤ " if most else "within " if name == "within" else ""
    return f"{sign}{number(asked, extra)}"


def measure(name: str) -> str:
    """A number's name in words that need no glossary."""
    return re.sub(r"^rto\b", "recovery time", spoken(name))


def window(name: str) -> str:
    """A window's name as people say it."""
    kind, _, fault = clean(name).partition(":")
    if kind == "fault" and fault:
        return f"while “{fault}” was in force"
    return {"run": "the whole run"}.get(name, spoken(name))


def check(kind: str) -> str:
    """What sort of claim a check is, in words."""
    return {"slo": "objective", "budget": "error budget", "recovery": "recovery time"}.get(
        kind, spoken(kind)
    )


def plain(value: object) -> str:
    """A value from a record in words: mappings and lists without their brackets."""
    if value is None or value == "":
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return _figures(value, 4) if math.isfinite(value) else "∞"
    if isinstance(value, Mapping):
        return ", ".join(f"{clean(key)} {plain(held)}" for key, held in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(plain(held) for held in value)
    return clean(value)


def spoken(name: str) -> str:
    """A name of the code in words: `pod_kill` is `pod kill`."""
    return clean(name).replace("_", " ")


def sentence(verdict: Verdict | SuiteVerdict) -> str:
    """The verdict's sentence without its outcome, which stands beside it wherever it is shown."""
    text = clean(verdict.sentence).removeprefix(f"{verdict.outcome.value}: ")
    return text[:1].upper() + text[1:]


Pair = tuple[tuple[Number, ...], Number]
"""What is asked for, which may be nothing, and what was measured of it."""


def pairs(claim: Claim) -> list[Pair]:
    """Each measurement of a claim with the numbers that it names as its limits."""
    numbers = {each.name: each for each in claim.finding.numbers}
    return [
        (tuple(numbers[name] for name in each.limits if name in numbers), each)
        for each in claim.finding.numbers
        if each.limits and any(name in numbers for name in each.limits)
    ]


def asked_and_measured(claim: Claim) -> Pair | None:
    """What stands for a claim in one line: its first pair, else its first number alone."""
    alone: list[Pair] = [((), each) for each in claim.finding.numbers]
    return next(iter([*pairs(claim), *alone]), None)


def apart(pair: Pair) -> int:
    """How many digits beyond the usual it takes to show that a measurement differs from its limit.

    An unbounded one differs by its lower bound.
    """
    if not pair[0]:
        return 0
    asked, seen = pair[0][0], pair[1]
    found = seen.low if seen.value is None else seen.value
    if asked.unit != seen.unit or asked.value is None or found is None or asked.value == found:
        return 0
    same = (
        extra
        for extra in range(7)
        if figure(asked.value, asked.unit, extra) != figure(found, seen.unit, extra)
    )
    return next(same, 6)
