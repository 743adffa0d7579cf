"""Suites: from a document to a checked model; nothing of the experiments is read here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from datetime import date
from fractions import Fraction
from pathlib import PurePosixPath
from typing import Any

from sloproof.contracts import Duration
from sloproof.spec.envelope import open_envelope
from sloproof.spec.places import Place, Problems, suggestion
from sloproof.spec.shapes import salvaged
from sloproof.spec.suite import Across, Manual, Step, StepEntry, Suite, SuiteSpec
from sloproof.spec.written import Metadata

KIND = "Suite"
_STEPS: Place = ("spec", "steps")
_AS_WRITTEN = {each.name for each in fields(SuiteSpec)} - {"steps", "verify"}


def draft_suite(problems: Problems) -> Suite | None:
    """The suite of a document whose variables are replaced; notes everything wrong with it."""
    metadata, written = open_envelope(problems, KIND)
    if not written:
        return None
    spec = salvaged(SuiteSpec, written, ("spec",), problems, {"steps": []})
    if spec is None:
        return None
    about = metadata or Metadata(name="unknown")
    steps = tuple(_steps(spec.steps, problems))
    _check(spec, steps, problems)
    return Suite(
        name=about.name,
        origin=problems.document.file,
        labels=about.labels,
        annotations=about.annotations,
        steps=steps,
        verify=tuple(_across(spec.verify, steps, problems)),
        **{name: getattr(spec, name) for name in _AS_WRITTEN},
    )


def _steps(written: Sequence[Mapping[str, Any]], problems: Problems) -> Iterator[Step]:
    for n, each in enumerate(written):
        place: Place = (*_STEPS, n)
        entry = salvaged(StepEntry, dict(each), place, problems, {})
        if entry is None:
            continue
        if ("experiment" in each) == ("manual" in each):
            problems.add(place, "needs exactly one of experiment and manual")
        manual = None
        if entry.manual is not None:
            manual = _manual(entry, (*place, "manual"), problems)
        path = PurePosixPath(entry.experiment or "")
        yield Step(
            name=entry.name or path.stem or f"step-{n + 1}",
            experiment=entry.experiment or "",
            manual=manual,
            variables=entry.variables,
            times=entry.times,
        )


def _manual(entry: StepEntry, place: Place, problems: Problems) -> Manual | None:
    for key, given in (("variables", bool(entry.variables)), ("times", entry.times != 1)):
        if given:
            problems.add((*place[:-1], key), "belongs to an experiment, not to a manual step")
    stand_ins = {"do": "unknown", "by": "unknown", "within": Duration(1)}
    manual = salvaged(Manual, dict(entry.manual or {}), place, problems, stand_ins)
    if manual is not None and manual.within <= Duration(0):
        problems.add((*place, "within"), "must be longer than nothing")
    return manual


def _check(spec: SuiteSpec, steps: Sequence[Step], problems: Problems) -> None:
    names = Counter(step.name for step in steps)
    for n, step in enumerate(steps):
        if names[step.name] > 1:
            message = f'{names[step.name]} steps are called "{step.name}": give them names'
            problems.add((*_STEPS, n), message)
    if not any(step.experiment for step in steps) and not problems.within(_STEPS):
        problems.add(_STEPS, "needs at least one experiment")
    if spec.plan is not None and spec.plan.approved:
        _check_day(spec.plan.approved, ("spec", "plan", "approved"), problems)
    for key, value in (("for", spec.gate.for_), ("within", spec.gate.within)):
        if value <= Duration(0):
            problems.add(("spec", "gate", key), "must be longer than nothing")
    if spec.gate.within < spec.gate.for_:
        problems.add(("spec", "gate", "within"), f"is shorter than for ({spec.gate.for_})")


def _check_day(text: str, place: Place, problems: Problems) -> None:
    try:
        date.fromisoformat(text)
    except ValueError:
        problems.add(place, f'"{text}" is not a day (try 2026-03-31)')


def _across(
    written: Sequence[Mapping[str, Any]], steps: Sequence[Step], problems: Problems
) -> Iterator[Across]:
    names = [step.name for step in steps if step.experiment]
    stand_ins = {"step": "unknown", "claim": "", "at_least": "50%"}
    for n, each in enumerate(written):
        place: Place = ("spec", "verify", n)
        line = salvaged(Across, dict(each), place, problems, stand_ins)
        if line is None:
            continue
        if line.step not in names and not problems.within((*place, "step")):
            message = f'no experiment\'s step is called "{line.step}"{suggestion(line.step, names)}'
            problems.add((*place, "step"), message)
        if not 0 < line.at_least.value < 1:
            problems.add((*place, "at_least"), "must be more than 0% and less than 100%")
        if not Fraction(1, 2) <= line.confidence.value < 1:
            problems.add((*place, "confidence"), "must be at least 50% and less than 100%")
        yield line
