"""Experiments: from a document to a checked model."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from sloproof.contracts import Check, Duration, Fault
from sloproof.model.target import Target
from sloproof.spec.arrivals import check_load, check_moments, check_rates
from sloproof.spec.envelope import open_envelope
from sloproof.spec.experiment import Experiment, FaultPlan, Load
from sloproof.spec.faults import (
    build_faults,
    check_lengths,
    check_load_changes,
    check_names,
    check_times,
    names_of,
    read_entries,
    timed,
)
from sloproof.spec.lines import build_lines
from sloproof.spec.load_changes import check_changes
from sloproof.spec.objectives import RatioIndicator, Slo
from sloproof.spec.places import Place, Problems, suggestion
from sloproof.spec.selectors import Aim, check_selectors
from sloproof.spec.shapes import keys_of, salvaged
from sloproof.spec.stores import check_ledger
from sloproof.spec.written import ExperimentSpec, Metadata

KIND = "Experiment"
_NOTHING = Duration(0)
_OBJECTIVES = ("slo", "recovery")
_NAMES = (*_OBJECTIVES, "service", "instance", "store", "volume", "region")


@dataclass(frozen=True, slots=True)
class Draft:
    """An experiment as far as its own file tells.

    `plans` are the faults that could be built, by their number in it, `aims` what they and the
    others point at.
    """

    experiment: Experiment
    plans: Mapping[int, FaultPlan]
    aims: Mapping[int, Aim]
    target_known: bool


def draft_experiment(
    problems: Problems,
    faults: Mapping[str, type[Fault]],
    checks: Mapping[str, type[Check]],
) -> Draft | None:
    """The experiment of a document whose variables are replaced; notes everything wrong with it."""
    metadata, written = open_envelope(problems, KIND)
    if not written:
        return None
    stand_ins = {"target": "unknown", "verify": []}
    spec = salvaged(ExperimentSpec, written, ("spec",), problems, stand_ins)
    if spec is None:
        return None
    entries, names = read_entries(spec.faults, problems), names_of(spec.faults)
    plans = build_faults(entries, faults, problems)
    check_names(entries, problems)
    in_time = timed(entries, problems)
    baseline = _NOTHING if problems.within(("spec", "baseline")) else spec.baseline
    check_times(in_time, names, baseline, problems)
    check_lengths(in_time, plans, problems)
    check_load_changes(entries, plans, problems, loaded=spec.load is not None)
    _check_times(spec, problems)
    about = metadata or Metadata(name="unknown")
    experiment = Experiment(
        name=about.name,
        origin=problems.document.file,
        target=spec.target,
        verify=build_lines(spec.verify, checks, frozenset(names), problems),
        hypothesis=spec.hypothesis,
        labels=about.labels,
        annotations=about.annotations,
        fixtures=spec.fixtures,
        load=_load(spec.load, problems),
        ledger=spec.ledger,
        baseline=spec.baseline,
        faults=tuple(plans.values()),
        recovery=spec.recovery,
        stop=spec.stop,
        seed=spec.seed,
    )
    aims = {
        n: Aim(faults[entry.inject], entry.where)
        for n, entry in entries.items()
        if entry.inject in faults and not problems.within(("spec", "faults", n, "where"))
    }
    return Draft(experiment, plans, aims, not problems.within(("spec", "target")))


def _load(written: Mapping[str, Any] | None, problems: Problems) -> Load | None:
    if written is None:
        return None
    return salvaged(Load, dict(written), ("spec", "load"), problems, {"mix": [], "arrivals": []})


def check_surroundings(
    draft: Draft, target: Target | None, project: Path, problems: Problems
) -> None:
    """Note what doesn't fit the target or the project's files."""
    load = draft.experiment.load
    if load is not None:
        check_load(load, project, problems)
        check_moments(load, draft.plans, problems)
        check_changes(load, draft.plans, target, problems)
    if target is None:
        return
    check_named(draft.experiment, target, problems)
    check_ledger(draft.experiment, target, problems)
    check_selectors(draft.aims, draft.plans, target, problems)
    if load is not None:
        check_rates(load, target, problems)
    told = any("detected" in source.roles for source in target.events)
    for n, plan in draft.plans.items():
        for arm in sorted(set(plan.fault.arms) - set(target.arms)):
            message = f"{plan.fault.kind} needs `arms: [{arm}]`, which target {target.name} lacks"
            problems.add(("spec", "faults", n, "inject"), message)
        if plan.after is not None and plan.after.detected and not told:
            message = f"target {target.name} has no events that mean detected"
            problems.add(("spec", "faults", n, "after", "detected"), message)


def referred_objectives(experiment: Experiment) -> Iterator[tuple[Place, str, str]]:
    """Every objective that an experiment names: where, of which kind, by which name."""
    for place, kind, name in _named(experiment):
        if kind in _OBJECTIVES:
            yield place, kind, name
    for n, stop in enumerate(experiment.stop):
        if stop.slo is not None:
            yield ("spec", "stop", n, "slo"), "slo", stop.slo


def check_stops(
    experiment: Experiment, objectives: Mapping[str, object], problems: Problems
) -> None:
    """Note each stop condition that could never fire, so that nobody relies on it."""
    for n, stop in enumerate(experiment.stop):
        if experiment.load is None and not problems.within(("spec", "load")):
            problems.add(("spec", "stop", n), "can never come about: there is no load to fail")
        slo = objectives.get(stop.slo or "")
        if isinstance(slo, Slo) and not isinstance(slo.indicator, RatioIndicator):
            message = (
                f"{slo.name} can't be seen while the run goes on: "
                "stop by an SLO that counts good requests"
            )
            problems.add(("spec", "stop", n, "slo"), message)


def _named(experiment: Experiment) -> Iterator[tuple[Place, str, str]]:
    """Every name that a check's fields hold of what stands elsewhere, with what it is."""
    for n, line in enumerate(experiment.verify):
        for key, kind, name in _references(line.check):
            yield ("spec", "verify", n, line.check.kind, key), kind, name


def check_named(experiment: Experiment, target: Target, problems: Problems) -> None:
    """Note each service, copy and volume that a check names and the target doesn't have."""
    ends = {end for link in target.links for end in (link.source, link.to)}
    ends |= {end for trace in target.traces for end in (trace.source, trace.to) if end}
    copies = {copy.name for each in target.services.values() for copy in each.instances}
    known = {
        "service": ends | set(target.services),
        "instance": copies,
        "store": set(target.stores),
        "volume": set(target.volumes),
        "region": target.regions(),
    }
    for place, kind, name in _named(experiment):
        if kind in known and name not in known[kind]:
            message = f'no {kind} of target {target.name} is called "{name}"'
            plain = place not in problems.document.lines
            where = place[:-1] if plain else place
            problems.add(where, f"{message}{suggestion(name, known[kind])}")


def _references(check: Check) -> Iterator[tuple[str, str, str]]:
    fields = dataclasses.fields(check)  # type: ignore[arg-type] # every subclass is a dataclass
    for (key, hint), field in zip(keys_of(type(check)).items(), fields, strict=True):
        kind = _marker(hint)
        value = getattr(check, field.name)
        names = value if isinstance(value, tuple) else (value,)
        yield from ((key, kind, name) for name in names if kind and name)


def _marker(hint: Any) -> str:
    """`slo`, `service`, … where a type is one of the contract's types of names."""
    found = [each for each in getattr(hint, "__metadata__", ()) if each in _NAMES]
    inner = (_marker(each) for each in get_args(hint) if not isinstance(each, str))
    return found[0] if found else next(filter(None, inner), "")


def check_references(
    experiment: Experiment, known: Mapping[str, str], problems: Problems
) -> set[str]:
    """The names of all objectives that are referred to and exist; notes those that don't."""
    found: set[str] = set()
    for place, kind, name in referred_objectives(experiment):
        if known.get(name) == kind:
            found.add(name)
            continue
        noun = "SLO" if kind == "slo" else "recovery objective"
        hint = suggestion(name, [each for each, other in known.items() if other == kind])
        plain = place not in problems.document.lines  # the line gives a value, not a mapping
        problems.add(place[:-1] if plain else place, f'no {noun} is called "{name}"{hint}')
    return found


def _check_times(spec: ExperimentSpec, problems: Problems) -> None:
    if not spec.verify and not problems.within(("spec", "verify")):
        problems.add(("spec", "verify"), "needs at least one line: what would be proven?")
    if spec.faults and spec.baseline <= _NOTHING:
        problems.add(("spec", "baseline"), "must be longer than nothing where there are faults")
    if spec.recovery.at_most < spec.recovery.at_least:
        message = f"must not be shorter than at_least ({spec.recovery.at_least})"
        problems.add(("spec", "recovery", "at_most"), message)
    if spec.recovery.at_most <= _NOTHING:
        problems.add(("spec", "recovery", "at_most"), "must be longer than nothing")
    for n, stop in enumerate(spec.stop):
        if (stop.error_rate is None) == (stop.slo is None):
            problems.add(("spec", "stop", n), "needs exactly one of error_rate and slo")
        if stop.for_ <= _NOTHING:
            problems.add(("spec", "stop", n, "for"), "must be longer than nothing")
