"""What is wrong with a load: shares, segments, rates, profiles that don't exist."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from pathlib import Path

from sloproof.contracts import Duration, Rate
from sloproof.errors import ExtensionError
from sloproof.extensions import Folder, builtin
from sloproof.model.target import Target
from sloproof.spec.experiment import FaultPlan, Load, MixPart, Segment
from sloproof.spec.places import Place, Problems, suggestion
from sloproof.spec.reading import shown

_NOTHING = Duration(0)
FASTEST = Rate(Fraction(1_000_000))
"""More than any machine makes and than a record of one run could hold."""
_LOAD: Place = ("spec", "load")


def check_load(load: Load, project: Path, problems: Problems) -> None:
    """Note everything about a load that can't be meant."""
    if not problems.within((*_LOAD, "mix")):
        _check_mix(load.mix, project, problems)
    if not problems.within((*_LOAD, "arrivals")):
        _check_segments(load.arrivals, problems)
    for key, value in (("timeout", load.timeout), ("lateness", load.lateness)):
        if value <= _NOTHING:
            problems.add((*_LOAD, key), "must be longer than nothing")
    for place, written in problems.document.lossy.items():
        if place[:3] == (*_LOAD, "with"):
            problems.add(place, f'YAML drops digits of {written}: quote it: "{written}"')


def _check_segments(segments: tuple[Segment, ...], problems: Problems) -> None:
    if not segments:
        problems.add((*_LOAD, "arrivals"), "needs at least one segment")
    elif not any(rate.per_second for segment in segments for _, rate in rates_of(segment)):
        problems.add((*_LOAD, "arrivals"), "brings no arrivals: every rate is zero")
    for n, segment in enumerate(segments):
        last = n == len(segments) - 1
        _check_segment(segment, (*_LOAD, "arrivals", n), problems, last=last)
        for inside, rate in rates_of(segment):
            if rate > FASTEST:
                message = f"{rate} is more than can be made (at most {FASTEST})"
                problems.add((*_LOAD, "arrivals", n, *inside), message)


def check_rates(load: Load, target: Target, problems: Problems) -> None:
    """No arrivals faster than the target allows."""
    limit = target.allow.max_rate
    if limit is None:
        return
    for n, segment in enumerate(load.arrivals):
        for key, rate in rates_of(segment):
            if rate > limit:
                place = (*_LOAD, "arrivals", n, *key)
                problems.add(place, f"{rate} is more than target {target.name} allows ({limit})")


def check_moments(load: Load, plans: Mapping[int, FaultPlan], problems: Problems) -> None:
    """No fault begins when the load is over: nobody would meet it."""
    if not load.arrivals:
        return  # said already: when it is over isn't known
    end = _length(load.arrivals)
    for n, plan in plans.items():
        if end is not None and plan.at is not None and plan.at >= end:
            message = f"begins at {plan.at}, when the load is over: its arrivals end at {end}"
            problems.add(("spec", "faults", n, "at"), message)


def _length(segments: tuple[Segment, ...]) -> Duration | None:
    """How long arrivals come, or None where the last segment runs to the end."""
    whole = _NOTHING
    for segment in segments:
        if segment.steps and segment.each is not None:
            whole += segment.each * len(segment.steps)
        elif segment.for_ is not None:
            whole += segment.for_
        else:
            return None
    return whole


def rates_of(segment: Segment) -> Iterator[tuple[Place, Rate]]:
    """Every rate in a segment, with its place inside it."""
    named: list[tuple[Place, Rate | None]] = [
        (("rate",), segment.rate),
        (("from",), segment.source),
        (("to",), segment.to),
        *((("steps", n), rate) for n, rate in enumerate(segment.steps)),
        (("spike", "to"), segment.spike.to if segment.spike else None),
    ]
    return ((place, rate) for place, rate in named if rate is not None)


def _check_mix(mix: tuple[MixPart, ...], project: Path, problems: Problems) -> None:
    place: Place = (*_LOAD, "mix")
    if not mix:
        problems.add(place, "needs at least one profile or locustfile")
        return
    total = sum(part.share.value for part in mix)
    if total != 1:
        problems.add(place, f"shares sum to {float(total * 100):g}%, not 100%")
    for n, part in enumerate(mix):
        _check_part(part, project, (*place, n), problems)


def _check_part(part: MixPart, project: Path, place: Place, problems: Problems) -> None:
    if (part.profile is None) == (part.locustfile is None):
        problems.add(place, "needs exactly one of profile and locustfile")
        return
    if part.share.value == 0:
        problems.add((*place, "share"), "is nothing: leave the profile out")
    if part.locustfile is not None:
        if not (project / part.locustfile).is_file():
            problems.add((*place, "locustfile"), f"no file {part.locustfile} in {project}")
    elif part.profile not in profiles(project):
        hint = suggestion(part.profile or "", profiles(project))
        problems.add((*place, "profile"), f'unknown profile "{part.profile}"{hint}')


def profiles(project: Path) -> dict[str, Path]:
    """The load profiles of a project and the built-in ones, by name.

    Raises `ExtensionError` for a name that comes twice.
    """
    found: dict[str, Path] = {}
    for folder in (builtin("load_profiles"), project / "load_profiles"):
        for name, file in Folder(folder).files().items():
            other = found.setdefault(name, file)
            if not other.samefile(file):
                where = f"in {other} and in {shown(file, project)}"
                raise ExtensionError(f"profile {name!r} is defined twice: {where}")
    return found


def _check_segment(segment: Segment, place: Place, problems: Problems, *, last: bool) -> None:
    forms = {
        "rate": segment.rate is not None,
        "from and to": segment.source is not None or segment.to is not None,
        "steps and each": bool(segment.steps) or segment.each is not None,
    }
    if sum(forms.values()) != 1:
        problems.add(place, f"needs exactly one of {', '.join(forms)}")
        return
    if forms["from and to"] and (segment.source is None or segment.to is None):
        problems.add(place, "a ramp needs both from and to")
    if forms["steps and each"]:
        _check_stairs(segment, place, problems)
    elif segment.for_ is None and forms["from and to"]:
        problems.add(place, "needs for: a ramp must end somewhere")
    elif segment.for_ is None and not last:
        problems.add(place, "needs for: only the last segment runs to the end")
    if segment.for_ is not None and segment.for_ <= _NOTHING:
        problems.add((*place, "for"), "must be longer than nothing")
    if segment.spike is not None:
        _check_spike(segment, place, problems)


def _check_stairs(segment: Segment, place: Place, problems: Problems) -> None:
    if not segment.steps or segment.each is None or segment.each <= _NOTHING:
        problems.add(place, "stairs need both steps and each")
    elif segment.for_ is not None and segment.for_ != segment.each * len(segment.steps):
        whole = segment.each * len(segment.steps)
        problems.add((*place, "for"), f"the steps take {whole}: leave for out")


def _check_spike(segment: Segment, place: Place, problems: Problems) -> None:
    spike = segment.spike
    if spike is None:
        return
    if segment.rate is None:
        problems.add((*place, "spike"), "belongs to a segment with a constant rate")
    if spike.for_ <= _NOTHING:
        problems.add((*place, "spike", "for"), "must be longer than nothing")
    if segment.for_ is not None and spike.at + spike.for_ > segment.for_:
        problems.add((*place, "spike"), f"ends after its segment, which takes {segment.for_}")
