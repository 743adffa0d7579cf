"""What a figure is, and what measuring it gives: rows with a goal or without, tables, notes."""

from __future__ import annotations

import importlib
import pkgutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

SLOPROOF = "sloproof"


@dataclass(frozen=True, slots=True)
class Goal:
    """The bound that a value must keep, in the row's unit; at most one of the two."""

    at_most: float | None = None
    at_least: float | None = None

    def met(self, value: float) -> bool:
        return not (
            (self.at_most is not None and value > self.at_most)
            or (self.at_least is not None and value < self.at_least)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One number: whose it is, what was measured, how it spread over how many repetitions.

    `value` is the `statistic` of `repetitions` measurements that lie between `low` and `high`.
    """

    what: str
    value: float
    unit: str
    statistic: str = "median"
    repetitions: int = 1
    low: float | None = None
    high: float | None = None
    goal: Goal | None = None
    who: str = SLOPROOF

    @property
    def met(self) -> bool | None:
        """Whether the goal was met; None without one."""
        return None if self.goal is None else self.goal.met(self.value)


def row(
    what: str,
    values: Sequence[float],
    unit: str,
    *,
    goal: Goal | None = None,
    who: str = SLOPROOF,
) -> Row:
    """The median of measurements, with the lowest and the highest."""
    return Row(
        what=what,
        value=median(values),
        unit=unit,
        repetitions=len(values),
        low=min(values),
        high=max(values),
        goal=goal,
        who=who,
    )


@dataclass(frozen=True, slots=True)
class Table:
    """Numbers that belong side by side."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What measuring a figure gave. `missing` says what could not be measured, a peer perhaps."""

    rows: tuple[Row, ...] = ()
    tables: tuple[Table, ...] = ()
    notes: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Bench:
    """Where and how thoroughly to measure. `folder` is emptied afterwards."""

    folder: Path
    quick: bool

    def times(self, full: int, quick: int) -> int:
        """How often to repeat."""
        return quick if self.quick else full

    def say(self, words: str) -> None:
        """Tell who waits how far it is."""
        sys.stderr.write(f"  {words}\n")
        sys.stderr.flush()


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A figure: its place among the others, its goal in words, how it is measured.

    One `by_name` is measured only when it is named. One without `measure` is not built yet.
    """

    name: str
    place: int
    title: str
    goal: str
    method: str
    measure: Callable[[Bench], Result] | None
    by_name: bool = False


def figures() -> list[Figure]:
    """All figures, in their order."""
    from benchmarks import figures as folder

    names = [module.name for module in pkgutil.iter_modules(folder.__path__)]
    found = [importlib.import_module(f"benchmarks.figures.{name}") for name in names]
    return sorted((each.FIGURE for each in found), key=lambda figure: figure.place)
