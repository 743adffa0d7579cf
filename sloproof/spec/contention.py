"""Faults of one experiment in force on one thing at one time, so far as is known before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations, permutations

from sloproof.contracts import CutsLinks, Duration
from sloproof.spec.experiment import FaultPlan
from sloproof.spec.places import Problems

Span = tuple[Duration, Duration]


def check_contention(
    plans: Mapping[int, FaultPlan], wanted: Mapping[int, set[str]], problems: Problems
) -> None:
    """No two faults fight over what each is `wanted` to strike, and none hides another."""
    _check_fights(plans, wanted, problems)
    _check_hidden(plans, wanted, problems)


def _check_fights(
    plans: Mapping[int, FaultPlan], wanted: Mapping[int, set[str]], problems: Problems
) -> None:
    for one, other in combinations(sorted(wanted), 2):
        both = wanted[one] & wanted[other]
        if not both or plans[one].fault.kind != plans[other].fault.kind:
            continue
        if _overlap(plans[one], plans[other]):
            message = (
                f"is in force with {plans[one].name} at one time on one {min(both)}: "
                f"two of {plans[one].fault.kind} there would fight"
            )
            problems.add(("spec", "faults", other), message)


def _check_hidden(
    plans: Mapping[int, FaultPlan], wanted: Mapping[int, set[str]], problems: Problems
) -> None:
    """What is in force only where nothing passes meets nobody, and no witness sees it."""
    for cut, other in permutations(sorted(wanted), 2):
        both = wanted[cut] & wanted[other]
        cuts = CutsLinks in plans[cut].fault.needs and plans[cut].fault.points_at == "links"
        if not both or not cuts or plans[cut].fault.kind == plans[other].fault.kind:
            continue
        if _inside(_spans(plans[other]), _spans(plans[cut])):
            message = (
                f"is in force only while {plans[cut].name} lets nothing pass on {min(both)}: "
                f"nobody would meet it"
            )
            problems.add(("spec", "faults", other), message)


def _inside(inner: Sequence[Span], outer: Sequence[Span]) -> bool:
    """Whether each of some spans lies in one of the others; not so without any."""
    return bool(inner) and all(
        any(begin <= low and high <= end for begin, end in outer) for low, high in inner
    )


def _overlap(one: FaultPlan, other: FaultPlan) -> bool:
    """Whether they are in force at one time, so far as times are known beforehand."""
    return any(
        begin < other_end and other_begin < end
        for begin, end in _spans(one)
        for other_begin, other_end in _spans(other)
    )


def _spans(plan: FaultPlan) -> list[Span]:
    if plan.at is None:
        return []
    length = plan.for_ or Duration(1)
    every = plan.repeat.every if plan.repeat else Duration(0)
    times = plan.repeat.times if plan.repeat else 1
    begins = [Duration(plan.at.ns + every.ns * n) for n in range(times)]
    return [(begin, begin + length) for begin in begins]
