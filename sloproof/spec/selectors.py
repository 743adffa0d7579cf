"""What a selector matches in a target's file, and what is wrong with selectors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sloproof.contracts import (
    BreaksVolumes,
    Fault,
    FillsVolumes,
    SlowsVolumes,
)
from sloproof.model.target import Finder, Target, TargetLink
from sloproof.spec.contention import check_contention
from sloproof.spec.experiment import FaultPlan, Pick, Selector
from sloproof.spec.places import Place, Problems, suggestion

_FITTING = {
    "instances": ("service", "instance", "region", "labels", "store", "role", "pick"),
    "links": ("from", "to", "pick"),
    "volumes": ("volume", "role", "pick"),
    "regions": ("region",),
    "load": (),
    "nothing": (),
    "": (),
}
_ANY_OF = {
    "instances": ("service", "instance", "region", "labels", "store"),
    "volumes": ("volume",),
    "regions": ("region",),
}


def matching_instances(where: Selector, target: Target) -> list[Finder]:
    """The copies that a selector matches, in the order of the target's file."""
    return [
        copy
        for name, service in target.services.items()
        for copy in service.instances
        if where.service in (None, name)
        and where.region in (None, service.region_of(copy))
        and where.instance in (None, copy.name)
        and where.labels.items() <= copy.labels.items()
        and (where.store is None or copy.name in copies_of(where.store, target))
    ]


def copies_of(store: str, target: Target) -> list[str]:
    """The instances that keep a copy of this store."""
    found = target.stores.get(store)
    return [copy.instance for copy in found.copies] if found else []


def matching_links(where: Selector, target: Target) -> list[TargetLink]:
    """The links between the two ends of a selector, each a service or one of its copies.

    A link that the target narrows to copies is a part of the link between their services.
    """
    return [
        link
        for link in target.links
        if where.source in (link.source, link.source_instance)
        and where.to in (link.to, link.target_instance)
    ]


def links_of_region(region: str, target: Target) -> list[TargetLink]:
    """The links into a region, out of it and within it."""
    return [
        link
        for link in target.links
        if region
        in (
            target.region_at(link.source, link.source_instance),
            target.region_at(link.to, link.target_instance),
        )
    ]


def matched(points_at: str, where: Selector, target: Target) -> list[str]:
    """What a selector matches, each with its sort: `instance web-1`, `link web → db`."""
    copies: list[Finder] = []
    links: list[TargetLink] = []
    if points_at in ("instances", "regions"):
        copies = matching_instances(where, target)
    if points_at == "links":
        links = matching_links(where, target)
    if points_at == "regions":
        links = links_of_region(where.region or "", target)
    volumes = [name for name in target.volumes if points_at == "volumes" and name == where.volume]
    return [
        *(f"instance {copy.name}" for copy in copies),
        *(f"link {link_name(link)}" for link in links),
        *(f"volume {name}" for name in volumes),
    ]


@dataclass(frozen=True, slots=True)
class Aim:
    """What a fault points at, so far as its entry tells, whether or not its own fields fit."""

    shape: type[Fault]
    where: Selector


def check_selectors(
    aims: Mapping[int, Aim], plans: Mapping[int, FaultPlan], target: Target, problems: Problems
) -> None:
    """Every selector fits its fault and matches something, and no two faults want one thing."""
    wanted: dict[int, set[str]] = {}
    for n, aim in aims.items():
        place: Place = ("spec", "faults", n, "where")
        points_at = aim.shape.points_at
        if not _fits(aim.where, points_at, aim.shape.kind, place, problems):
            continue
        if aim.where.pick is not None:
            _check_pick(aim.where.pick, (*place, "pick"), problems)
        if aim.shape.role:
            _check_role(aim, place, problems)
        if points_at in ("instances", "links", "regions", "volumes"):
            wanted[n] = _check_matches(aim, target, place, problems)
        if points_at == "volumes":
            _check_budget(aim, target, place, problems)
            _check_holder(aim, target, place, problems)
    planned = {n: found for n, found in wanted.items() if n in plans}
    check_contention(plans, planned, problems)


def _given(where: Selector) -> list[str]:
    named = {
        "service": where.service,
        "instance": where.instance,
        "region": where.region,
        "labels": where.labels or None,
        "store": where.store,
        "role": where.role,
        "from": where.source,
        "to": where.to,
        "volume": where.volume,
        "pick": where.pick,
    }
    return [name for name, value in named.items() if value is not None]


def _fits(where: Selector, points_at: str, kind: str, place: Place, problems: Problems) -> bool:
    if points_at not in _FITTING:
        return False
    given = _given(where)
    before = len(problems.found)
    strange = [key for key in given if key not in _FITTING[points_at]]
    for key in strange:
        what = f"points at {points_at}" if _FITTING[points_at] else "points at nothing"
        problems.add((*place, key), f"doesn't fit {kind}, which {what}")
    if not strange and points_at == "links" and not {"from", "to"} <= set(given):
        problems.add(place, f"{kind} needs where: from and to")
    if not strange and points_at in _ANY_OF and not set(_ANY_OF[points_at]) & set(given):
        problems.add(place, f"{kind} needs where: {' or '.join(_ANY_OF[points_at])}")
    return len(problems.found) == before


def _check_pick(pick: Pick, place: Place, problems: Problems) -> None:
    if sum(each is not None for each in (pick.count, pick.percent, pick.all)) != 1:
        problems.add(place, "needs exactly one of count, percent and all")
    elif pick.percent is not None and pick.percent.value == 0:
        problems.add((*place, "percent"), "picks nothing")


def _check_role(aim: Aim, place: Place, problems: Problems) -> None:
    """A fault that strikes one role only has to know the store, and no other role will do."""
    shape, where = aim.shape, aim.where
    if where.store is None:
        problems.add(place, f"{shape.kind} needs where: store, whose {shape.role} it strikes")
    if where.role not in (None, shape.role):
        problems.add((*place, "role"), f"{shape.kind} strikes a {shape.role}, no {where.role}")


def _check_matches(aim: Aim, target: Target, place: Place, problems: Problems) -> set[str]:
    """Names of what is matched; nothing where the fault may yet pick among them."""
    where, points_at = aim.where, aim.shape.points_at
    role = where.role or aim.shape.role
    found = matched(points_at, where, target)
    if not found:
        problems.add(place, f"matches nothing in target {target.name}{_hint(where, target)}")
    elif where.pick is None and not role and len(found) > 1 and points_at == "instances":
        names = ", ".join(each.partition(" ")[2] for each in found)
        problems.add(place, f"matches {len(found)} ({names}): narrow it, or say how many to pick")
    elif where.pick is not None and where.pick.count is not None and where.pick.count > len(found):
        message = f"asks for {where.pick.count}, but only {len(found)} match"
        problems.add((*place, "pick", "count"), message)
    sure = not role and (where.pick is None or where.pick.all)
    return set(found) if sure else set()


def _check_budget(aim: Aim, target: Target, place: Place, problems: Problems) -> None:
    """A plain folder can be filled, but neither fail nor be slow without all that is beside it."""
    volume = target.volumes.get(aim.where.volume or "")
    if volume is None or volume.budget is None or FillsVolumes in aim.shape.needs:
        return
    if {BreaksVolumes, SlowsVolumes} & set(aim.shape.needs):
        message = f"is a plain folder with a budget: {aim.shape.kind} needs a mount of its own"
        problems.add((*place, "volume"), message)


def _check_holder(aim: Aim, target: Target, place: Place, problems: Problems) -> None:
    """Only whoever keeps a copy of a store can have a role there."""
    volume = target.volumes.get(aim.where.volume or "")
    if volume is None or aim.where.role is None:
        return
    kept = volume.keeps or volume.instance
    if not any(kept in copies_of(store, target) for store in target.stores):
        message = f"volume {aim.where.volume} names no copy of a store (`keeps`, or `instance`)"
        problems.add((*place, "role"), message)


def _hint(where: Selector, target: Target) -> str:
    services = set(target.services)
    called = {end for link in target.links for end in (link.source, link.to)}
    called |= {link.source_instance for link in target.links}
    called |= {link.target_instance for link in target.links}
    copies = {copy.name for service in target.services.values() for copy in service.instances}
    regions = set(target.regions())
    for value, known in (
        (where.service, services),
        (where.source, called),
        (where.to, called),
        (where.instance, copies),
        (where.region, regions),
        (where.store, set(target.stores)),
        (where.volume, set(target.volumes)),
    ):
        if value is not None and value not in known:
            return f': no "{value}"{suggestion(value, known - {""})}'
    return ""


def link_name(link: TargetLink) -> str:
    """A link as people read it: `dialogue → speech`, with the copies it is narrowed to."""
    source = link.source_instance or link.source
    return f"{source} → {link.target_instance or link.to}"
