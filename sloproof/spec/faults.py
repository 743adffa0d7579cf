"""Faults as planned: each entry's kind found, its fields checked, its times made sense of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from sloproof.contracts import Duration, Fault
from sloproof.spec.experiment import After, FaultPlan
from sloproof.spec.places import Place, Problems, suggestion
from sloproof.spec.shapes import salvaged, validated
from sloproof.spec.written import WINDOWS, FaultEntry

Entries: TypeAlias = Mapping[int, FaultEntry]
_NOTHING = Duration(0)
_TIMELESS = ("inject", "name", "where", "with", "scope")
"""Keys of an entry that say nothing of when it begins and how long it lasts."""


def read_entries(
    written: tuple[Mapping[str, Any], ...], problems: Problems
) -> dict[int, FaultEntry]:
    """The entries by number, as far as they have the shape of one; notes what else is in them."""
    read = {
        n: salvaged(FaultEntry, dict(each), ("spec", "faults", n), problems, {})
        for n, each in enumerate(written)
    }
    return {n: entry for n, entry in read.items() if entry is not None}


def timed(entries: Entries, problems: Problems) -> dict[int, FaultEntry]:
    """The entries whose times were written as they are meant, so far as is known."""
    strange = {
        place[2]
        for place in problems.places
        if place[:2] == ("spec", "faults") and len(place) > 3 and place[3] not in _TIMELESS
    }
    return {n: entry for n, entry in entries.items() if n not in strange}


def build_faults(
    entries: Entries, known: Mapping[str, type[Fault]], problems: Problems
) -> dict[int, FaultPlan]:
    """The plans of the entries that can be built, by number; notes what keeps the others."""
    built = {
        n: _build(entry, ("spec", "faults", n), known, problems) for n, entry in entries.items()
    }
    return {n: plan for n, plan in built.items() if plan is not None}


def _build(
    entry: FaultEntry, place: Place, known: Mapping[str, type[Fault]], problems: Problems
) -> FaultPlan | None:
    if entry.inject not in known:
        hint = suggestion(entry.inject, known)
        problems.add((*place, "inject"), f'unknown fault "{entry.inject}"{hint}')
        return None
    fault = validated(known[entry.inject], dict(entry.with_), (*place, "with"), problems)
    if fault is None:
        return None
    return FaultPlan(
        name=entry.name or entry.inject,
        fault=fault,
        where=entry.where,
        at=entry.at,
        after=entry.after,
        for_=entry.for_,
        repeat=entry.repeat,
        scope=entry.scope,
    )


def check_names(entries: Entries, problems: Problems) -> None:
    """Every fault has a name of its own; without one it is called after its kind."""
    first: dict[str, int] = {}
    for n, entry in entries.items():
        place, name = ("spec", "faults", n), name_of(entry)
        other = first.setdefault(name, n)
        if other != n:
            message = f'two faults are called "{name}" (the other is spec.faults[{other}])'
            problems.add((*place, "name") if entry.name else place, message)
        if name in WINDOWS:
            problems.add((*place, "name"), f'"{name}" is a window\'s name')


def name_of(entry: FaultEntry) -> str:
    """What a fault is called."""
    return entry.name or entry.inject


def names_of(written: tuple[Mapping[str, Any], ...]) -> list[str]:
    """What all faults are called, also those with something else wrong."""
    return [str(each.get("name") or each.get("inject") or "") for each in written]


def check_times(entries: Entries, names: list[str], baseline: Duration, problems: Problems) -> None:
    """When each fault begins: exactly one of `at` and `after`, and not before the baseline ends."""
    for n, entry in entries.items():
        place: Place = ("spec", "faults", n)
        if (entry.at is None) == (entry.after is None):
            problems.add(place, "needs exactly one of at and after")
        if entry.at is not None and entry.at < baseline:
            message = f"begins at {entry.at}, before the baseline of {baseline} is over"
            problems.add((*place, "at"), message)
        if entry.after is not None:
            _check_after(entry.after, name_of(entry), names, (*place, "after"), problems)
    if len(set(names)) == len(names):
        _check_cycles(entries, problems)


def check_lengths(entries: Entries, plans: Mapping[int, FaultPlan], problems: Problems) -> None:
    """How long each fault lasts: `for` where it goes on until ended, and nowhere else."""
    for n, entry in entries.items():
        place: Place = ("spec", "faults", n)
        if entry.for_ is not None and entry.for_ <= _NOTHING:
            problems.add((*place, "for"), "must be longer than nothing")
        lasts = plans[n].fault.lasts() if n in plans else None
        if lasts and entry.for_ is None:
            problems.add(place, f"needs for: {entry.inject} goes on until it is ended")
        if lasts is False and entry.for_ is not None:
            problems.add((*place, "for"), f"{entry.inject} is over at once, so it can't have a for")
        if entry.repeat is not None and entry.repeat.every <= (entry.for_ or _NOTHING):
            message = f"must be longer than the fault itself ({entry.for_ or _NOTHING})"
            problems.add((*place, "repeat", "every"), message)


def check_load_changes(
    entries: Entries, plans: Mapping[int, FaultPlan], problems: Problems, *, loaded: bool
) -> None:
    """A change of the load is planned into the arrivals: it needs some, and one known moment.

    Anything else would never come about, though the run would go by as if it had.
    """
    for n, entry in entries.items():
        if n not in plans or plans[n].fault.points_at != "load":
            continue
        place: Place = ("spec", "faults", n)
        if not loaded:
            problems.add(place, f"{entry.inject} changes the load, but the experiment has none")
        if entry.after is not None:
            message = f"{entry.inject} changes the arrivals, which are planned before the run: "
            problems.add((*place, "after"), f"{message}give at")
        if entry.repeat is not None:
            message = f"{entry.inject} changes the arrivals once: write one fault for each time"
            problems.add((*place, "repeat"), message)


def referred(after: After) -> str:
    """The fault that a moment is relative to."""
    return after.detected or after.injected or after.ended or ""


def _check_after(
    after: After, name: str, names: list[str], place: Place, problems: Problems
) -> None:
    given = [each for each in (after.detected, after.injected, after.ended) if each is not None]
    if len(given) != 1:
        problems.add(place, "needs exactly one of detected, injected and ended")
        return
    event = "detected" if after.detected else "injected" if after.injected else "ended"
    if given[0] not in names:
        hint = suggestion(given[0], set(names) - {name})
        problems.add((*place, event), f'no fault is called "{given[0]}"{hint}')
    if after.within <= _NOTHING:
        problems.add((*place, "within"), "must be longer than nothing")


def _check_cycles(entries: Entries, problems: Problems) -> None:
    follows = {
        name_of(entry): referred(entry.after)
        for entry in entries.values()
        if entry.after is not None
    }
    for n, entry in entries.items():
        name = name_of(entry)
        seen, current = [name], follows.get(name, "")
        while current and current not in seen:
            seen.append(current)
            current = follows.get(current, "")
        if current == name:
            circle = " → ".join([*seen, name])
            problems.add(("spec", "faults", n, "after"), f"waits for itself: {circle}")
