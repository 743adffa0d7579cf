"""Selectors resolved at the moment of injection, picks seeded."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import TypeVar

from sloproof.contracts import Instance, Link, Platform, Where
from sloproof.errors import PlatformError
from sloproof.spec.experiment import FaultPlan, Pick, Selector

T = TypeVar("T", Instance, Link)


def resolve(plan: FaultPlan, on: Platform, seed: int, occurrence: int) -> Where:
    """What the fault points at now; raises `PlatformError` where nothing matches."""
    rng = random.Random(f"{seed}:{plan.name}:{occurrence}")
    where = plan.where
    if plan.fault.points_at == "links":
        links = [link for link in on.links() if _link_matches(link, where)]
        return Where(links=_picked(links, where.pick or Pick(all=True), rng, plan))
    if plan.fault.points_at == "instances":
        living = [copy for copy in on.instances() if _instance_matches(copy, where)]
        return Where(instances=_picked(living, where.pick or Pick(all=True), rng, plan))
    if plan.fault.points_at == "volumes":
        return Where(volumes=(where.volume or "",))
    return Where()


def _link_matches(link: Link, where: Selector) -> bool:
    source = where.source in (link.source, link.source_instance)
    target = where.to in (link.target, link.target_instance)
    return source and target


def _instance_matches(copy: Instance, where: Selector) -> bool:
    return (
        where.service in (None, copy.service)
        and where.instance in (None, copy.name)
        and where.region in (None, copy.region)
        and all(copy.labels.get(name) == value for name, value in where.labels.items())
    )


def _picked(found: Sequence[T], pick: Pick, rng: random.Random, plan: FaultPlan) -> tuple[T, ...]:
    if not found:
        raise PlatformError(f"fault {plan.name}: nothing that lives now matches its `where`")
    if pick.all:
        return tuple(found)
    count = pick.count
    if pick.percent is not None:
        count = math.ceil(len(found) * pick.percent.value)
    if count is None or count > len(found):
        raise PlatformError(
            f"fault {plan.name}: asks for {count} of {len(found)} that live now: "
            + ", ".join(one.name for one in found)
        )
    names = sorted(rng.sample(sorted(one.name for one in found), count))
    return tuple(one for one in found if one.name in names)
