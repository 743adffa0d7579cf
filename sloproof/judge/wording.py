"""How figures read in a reason: never rounded up to a limit they don't reach."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

SECOND = 1_000_000_000


def percent(value: Fraction, *, beside: Fraction | None = None) -> str:
    """`value` in per cent, cut off after as many decimals as tell it from `beside`, 0% and 100%."""
    limits = (Fraction(0), Fraction(1), value if beside is None else beside)
    others = [limit for limit in limits if limit != value]
    text = ""
    for places in range(2, 10):
        text = _cut(value * 100, places)
        if all(text != _cut(other * 100, places) for other in others):
            break
    return f"{_plain(text)}%"


def seconds(ns: int) -> str:
    """A time or a length: `340 ms` below a second, else `12.34 s`."""
    if abs(ns) < SECOND:
        return f"{_plain(_cut(Fraction(ns, 1_000_000), 2))} ms"
    return f"{_plain(_cut(Fraction(ns, SECOND), 3))} s"


def count(number: int, noun: str) -> str:
    """`1 request`, `12,000 requests`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def period(ns: int) -> str:
    """A window of an objective: `30 d`, `12 h`, else as `seconds`."""
    for unit, size in (("d", 86_400 * SECOND), ("h", 3_600 * SECOND), ("min", 60 * SECOND)):
        if ns >= size and ns % size == 0:
            return f"{ns // size} {unit}"
    return seconds(ns)


def per_second(value: Fraction) -> str:
    """A rate to three significant digits, never in powers of ten: `3.97/s`, `1250/s`."""
    places = max(0, 3 - len(str(int(value)))) if value >= 1 else 3
    return f"{_plain(_cut(value, places))}/s"


def listed(names: Sequence[str], most: int = 3) -> str:
    """Some names in a row: `a`, `a and b`, `a, b, c and 2 more`."""
    more = len(names) - most
    shown = [*names[:most], f"{more} more"] if more > 0 else list(names)
    return " and ".join(filter(None, (", ".join(shown[:-1]), *shown[-1:])))


def worst_first(reasons: Sequence[str], *, passed: bool) -> str:
    """The first of several reasons, sorted by how long things took, and how many more there are.

    Only of what passed is it known that the others took no longer: the rest may have no end.
    """
    first, *rest = reasons or [""]
    return (
        f"{first}; {len(rest)} more {'took no longer' if passed else 'likewise'}" if rest else first
    )


def after_warm_up(ns: int) -> str:
    """A moment as charts count it, `ns` after the end of warm-up."""
    return f"{seconds(ns)} after warm-up"


def at(ns: int) -> float:
    """Nanoseconds as seconds, for numbers in a verdict."""
    return ns / SECOND


def span(low: int, high: int | None) -> str:
    """An interval of time between two bounds, the upper one perhaps unknown."""
    if high is None:
        return f"at least {seconds(low)}"
    return f"between {seconds(low)} and {seconds(high)}"


def _cut(value: Fraction, places: int) -> str:
    """`value` with its decimals after `places` cut off, towards zero."""
    scaled = abs(value) * 10**places
    whole, rest = divmod(int(scaled), 10**places)
    return f"{'-' if value < 0 and scaled >= 1 else ''}{whole}.{rest:0{places}d}"


def _plain(text: str) -> str:
    return text.rstrip("0").rstrip(".") if "." in text else text
