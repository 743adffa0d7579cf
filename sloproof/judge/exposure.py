"""Exposure: what crossed a faulty link or instance while the fault was in force."""

from __future__ import annotations

from dataclasses import dataclass

from sloproof.contracts import Window
from sloproof.judge.facts import EffectFacts, InstanceTarget, LinkTarget
from sloproof.judge.requests import Requests
from sloproof.record.reader import Record
from sloproof.record.schema import Call

BEFORE_A_BLOW = 5_000_000_000
"""What an instance carried so shortly before it was struck counts as exposed to the blow."""


@dataclass(frozen=True, slots=True)
class Exposure:
    """How many requests or calls crossed; None where the record can't tell, and why."""

    count: int | None
    reason: str


def exposure(
    record: Record, requests: Requests, effects: tuple[EffectFacts, ...], force: Window
) -> Exposure:
    """What crossed the parts of a fault during `force`, each link or instance counted once."""
    targets = {str(effect.target): effect for effect in effects if effect.target}
    found = [_of_effect(record, requests, effect, force) for effect in targets.values()]
    known = [each for each in found if each.count is not None]
    total = sum(each.count or 0 for each in known)
    if known and (total or len(known) == len(found)):
        return Exposure(total, "; ".join(each.reason for each in known))
    if found:
        return next(each for each in found if each.count is None)
    return Exposure(None, "what it points at was not recorded")


def _of_effect(record: Record, requests: Requests, effect: EffectFacts, force: Window) -> Exposure:
    target = effect.target
    if isinstance(target, LinkTarget) and target.entry:
        count = requests.count(force)
        return Exposure(count, f"{count} requests entered through {target}")
    if not record.has("calls"):
        return Exposure(None, f"no calls were recorded, so what crossed {target} is unknown")
    begin = force.begin - BEFORE_A_BLOW if effect.lasting else force.begin
    crossing = [
        call
        for call in record.calls
        if call.outcome != "rejected"
        and call.sent - call.error_ns < force.end
        and call.finished + call.error_ns >= begin
    ]
    if isinstance(target, LinkTarget):
        count = sum(_crosses(call, target) for call in crossing)
        return Exposure(count, f"{count} calls crossed {target}")
    if isinstance(target, InstanceTarget):
        return _of_instance(crossing, target, alone=_only_one(record, target))
    return Exposure(None, "what it points at was not recorded")


def _only_one(record: Record, target: InstanceTarget) -> bool:
    """Whether the service had no other instance: then its calls need not name it."""
    names = {
        str(instance.get("name"))
        for event in record.of_kind("target.state")
        for instance in _instances(event.data.get("instances"))
        if instance.get("service") == target.service
    }
    return names == {target.name}


def _instances(found: object) -> list[dict[str, object]]:
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def _of_instance(calls: list[Call], target: InstanceTarget, *, alone: bool) -> Exposure:
    if alone:
        count = sum(target.service in (call.source, call.target) for call in calls)
        return Exposure(count, f"{count} calls came from or went to {target.service}")
    count = sum(target.name in (call.source_instance, call.target_instance) for call in calls)
    nameless = [
        call
        for call in calls
        if (call.target == target.service and not call.target_instance)
        or (call.source == target.service and not call.source_instance)
    ]
    if not count and nameless:
        return Exposure(None, f"the calls of {target.service} don't name their instances")
    return Exposure(count, f"{count} calls came from or went to {target}")


def _crosses(call: Call, link: LinkTarget) -> bool:
    """An instance that the call doesn't name doesn't exclude it."""
    return (
        call.source == link.source
        and call.target == link.target
        and (not link.source_instance or call.source_instance in ("", link.source_instance))
        and (not link.target_instance or call.target_instance in ("", link.target_instance))
    )
