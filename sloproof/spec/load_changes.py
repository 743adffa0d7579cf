"""What faults make of the load: when arrivals change, and to what."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any

from sloproof.contracts import LoadChange, Rate, Where
from sloproof.model.target import Target
from sloproof.spec.arrivals import FASTEST
from sloproof.spec.experiment import FaultPlan, Load
from sloproof.spec.pieces import Change, pieces_of
from sloproof.spec.places import Place, Problems


def changes_of(plan: FaultPlan) -> Iterator[Change]:
    """The changes of the load that a fault brings; none where it touches something else."""
    if plan.fault.points_at != "load" or plan.at is None:
        return
    end = plan.at.ns + plan.for_.ns if plan.for_ else None
    steps: Any = plan.fault.plan(Where(), None)  # type: ignore[arg-type]  # it needs no platform
    for step in steps:
        if isinstance(step, LoadChange):
            factor = Fraction(step.factor) if step.factor is not None else None
            rate = step.rate.per_second if step.rate is not None else None
            yield Change(plan.at.ns, end, factor, rate)


def check_changes(
    load: Load, plans: Mapping[int, FaultPlan], target: Target | None, problems: Problems
) -> None:
    """Note each fault that brings arrivals faster than can be made, or than the target allows.

    Together with those before it: changes that overlap multiply.
    """
    if any(problems.within(("spec", "load", key)) for key in ("arrivals", "warmup")):
        return
    limit = target.allow.max_rate if target is not None else None
    earlier: list[Change] = []
    for n, plan in plans.items():
        for change in changes_of(plan):
            place: Place = ("spec", "faults", n)
            if change.factor is not None and change.factor <= 0:
                problems.add(place, "multiplies the arrivals by nothing or less")
                continue
            earlier.append(change)
            fastest = _fastest(load, earlier, change)
            if target is not None and limit is not None and fastest > limit:
                allowed = f"more than target {target.name} allows ({limit})"
                problems.add(place, f"brings up to {fastest}, {allowed}")
            elif fastest > FASTEST:
                problems.add(place, f"brings up to {fastest}, more than can be made ({FASTEST})")


def _fastest(load: Load, changes: list[Change], during: Change) -> Rate:
    """The highest rate while one of the changes lasts."""
    found = Fraction(0)
    for piece in pieces_of(load.arrivals, changes=changes):
        over = during.end is not None and piece.begin >= during.end
        if not over and (piece.end is None or piece.end > during.begin):
            found = max(found, piece.first, piece.last)
    return Rate(found)
