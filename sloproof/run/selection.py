"""Selectors resolved at the moment of injection, picks seeded."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from sloproof.contracts import Instance, Link, Platform, Where
from sloproof.errors import PlatformError
from sloproof.spec.experiment import FaultPlan, Pick, Selector

T = TypeVar("T", Instance, Link)


@dataclass(frozen=True, slots=True)
class Draw:
    """What decides which of several a fault strikes: the same again for the same seed."""

    seed: int
    fault: str
    occurrence: int

    def of(self, names: Iterable[str], count: int) -> list[str]:
        """So many of these names, in order."""
        rng = random.Random(f"{self.seed}:{self.fault}:{self.occurrence}")
        return sorted(rng.sample(sorted(names), count))


def count_of(pick: Pick, found: int) -> int:
    """How many of those found are picked; more than there are where it asks for that."""
    if pick.percent is not None:
        return math.ceil(found * pick.percent.value)
    return found if pick.count is None else pick.count


def resolve(plan: FaultPlan, on: Platform, seed: int, occurrence: int) -> Where:
    """What the fault points at now; raises `PlatformError` where nothing matches."""
    where = plan.where
    draw = Draw(seed, plan.name, occurrence)
    if plan.fault.points_at == "links":
        links = [link for link in on.links() if _link_matches(link, where)]
        return Where(links=_picked(links, where.pick or Pick(all=True), draw))
    if plan.fault.points_at == "instances":
        where = replace(where, role=where.role or plan.fault.role)
        living = [copy for copy in on.instances() if _instance_matches(copy, where, on)]
        if where.role is not None:
            living = _in_role(where.role, living, on, plan.name)
        return Where(instances=_picked(living, where.pick or Pick(all=True), draw))
    if plan.fault.points_at == "regions":
        return _region(where.region or "", on, plan.name)
    if plan.fault.points_at == "volumes":
        return _volume(where, draw, on)
    return Where()


def resolve_again(plan: FaultPlan, on: Platform, struck: Where) -> Where:
    """What lives now of all that was struck: a fault that is held strikes these, and no others."""
    names = {copy.name for copy in struck.instances}
    living = tuple(copy for copy in on.instances() if copy.name in names)
    if not living:
        raise PlatformError(f"fault {plan.name}: none of what it struck lives now")
    return replace(struck, instances=living)


def _region(region: str, on: Platform, fault: str) -> Where:
    """The copies that live in a region, and the links with an end there."""
    copies = tuple(copy for copy in on.instances() if copy.region == region)
    ends = [(link, (link.source_region, link.target_region)) for link in on.links()]
    links = tuple(link for link, regions in ends if region in regions)
    if not copies and not links:
        raise PlatformError(f"fault {fault}: nothing that lives now is in region {region}")
    return Where(instances=copies, links=links)


def _volume(where: Selector, draw: Draw, on: Platform) -> Where:
    """The volume and whoever works on it: that is who meets the fault.

    Where a role is asked for and whose data it has doesn't play it, nobody is struck.
    """
    name = where.volume or ""
    if name not in on.volumes():
        raise PlatformError(f"fault {draw.fault}: the target has no volume {name}")
    holder = on.holder_of(name)
    if where.role is not None:
        kept = on.kept_on(name)
        if kept is None:
            raise PlatformError(f"fault {draw.fault}: nobody who lives now has volume {name}")
        _in_role(where.role, [kept], on, draw.fault)
    return Where(volumes=(name,), instances=(holder,) if holder else ())


def _link_matches(link: Link, where: Selector) -> bool:
    source = where.source in (link.source, link.source_instance)
    target = where.to in (link.target, link.target_instance)
    return source and target


def _instance_matches(copy: Instance, where: Selector, on: Platform) -> bool:
    return (
        where.service in (None, copy.service)
        and where.instance in (None, copy.name)
        and where.region in (None, copy.region)
        and all(copy.labels.get(name) == value for name, value in where.labels.items())
        and (where.store is None or where.store in on.stores_of(copy))
    )


def _in_role(role: str, found: Sequence[Instance], on: Platform, fault: str) -> list[Instance]:
    """Those that say that this is their role; it takes a question to each, so it comes last."""
    said = {copy.name: on.role(copy) for copy in found}
    fitting = [copy for copy in found if said[copy.name] == role]
    if found and not fitting:
        told = [f"{n} is a {r}" if r else f"{n} doesn't say what it is" for n, r in said.items()]
        raise PlatformError(f"fault {fault}: no copy is a {role} now: {', '.join(told)}")
    return fitting


def _picked(found: Sequence[T], pick: Pick, draw: Draw) -> tuple[T, ...]:
    if not found:
        raise PlatformError(f"fault {draw.fault}: nothing that lives now matches its `where`")
    count = count_of(pick, len(found))
    if count > len(found):
        raise PlatformError(
            f"fault {draw.fault}: asks for {count} of {len(found)} that live now: "
            + ", ".join(one.name for one in found)
        )
    names = draw.of([one.name for one in found], count)
    return tuple(one for one in found if one.name in names)
