"""Exposure: what crossed a faulty link or instance while the fault was in force."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from sloproof.contracts import Sense, Window
from sloproof.judge.facts import EffectFacts, InstanceTarget, LinkTarget, WitnessPlan
from sloproof.judge.requests import Requests
from sloproof.judge.wording import SECOND, seconds
from sloproof.judge.wording import count as counted
from sloproof.record.reader import Record
from sloproof.record.schema import Call, RequestOutcome

BEFORE_A_BLOW = 5_000_000_000
"""What an instance carried so shortly before it was struck counts as exposed to the blow."""
MARKING = frozenset({Sense.DELAY, Sense.REFUSED, Sense.BLACKHOLE, Sense.RESET})
"""What shows on each request that crosses it."""


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
    begin = force.begin - BEFORE_A_BLOW if effect.lasting else force.begin
    window = Window(force.name, begin, max(force.end, begin + 1))
    if _is_entry(record, target):
        count = requests.count(window)
        felt = _felt(requests, effect.witness, force) if isinstance(target, LinkTarget) else None
        entered = counted(count, "request")
        if felt == 0 and count:
            return Exposure(0, f"not one of {entered} felt it on its way through {target}")
        return Exposure(count, f"{entered} entered through {target}")
    if target is None:
        return Exposure(None, "what it points at was not recorded")
    if not record.has("calls"):
        return Exposure(None, f"no calls were recorded, so what crossed {target} is unknown")
    crossing = [
        call
        for call in record.calls
        if call.outcome != "rejected"
        and call.sent - call.error_ns < force.end
        and call.finished + call.error_ns >= begin
    ]
    if isinstance(target, LinkTarget):
        found = [call for call in crossing if _crosses(call, target)]
        return _without_probes(record, window, found, f"crossed {target}")
    return _of_instance(record, window, crossing, target, lasting=effect.lasting)


def _is_entry(record: Record, target: LinkTarget | InstanceTarget | None) -> bool:
    """Whether every request of the load meets it: the way in, or the only copy behind that."""
    if isinstance(target, LinkTarget):
        return target.entry
    if target is None or record.has("calls") or not _only_one(record, target):
        return False
    return any(
        link.get("entry") and link.get("target") == target.service
        for event in record.of_kind("target.state")
        for link in _mappings(event.data.get("links"))
    )


def _without_probes(record: Record, window: Window, calls: list[Call], words: str) -> Exposure:
    """The calls but for those that the harness's own probes may have caused.

    Calls that name what caused them were told apart when they were read. Of the others as many as
    there were samples may be the probes'.
    """
    nameless = sum(not call.parent for call in calls)
    samples = [record.probe(name) for name in record.probe_names] if nameless else []
    ours = sum(
        int(((each.sent >= window.begin) & (each.sent < window.end)).sum())
        for each in samples
        if each is not None
    )
    left_out = min(nameless, ours)
    count = len(calls) - left_out
    if left_out and not count:
        return Exposure(
            None,
            f"{counted(len(calls), 'call')} {words}, "
            f"but all of them may be the harness's own probes",
        )
    but = f" ({left_out:,} more may be the harness's own probes)" if left_out else ""
    return Exposure(count, f"{counted(count, 'call')} {words}{but}")


def _felt(requests: Requests, witness: WitnessPlan | None, force: Window) -> int | None:
    """How many requests show that they met the fault; None where it leaves no mark on each.

    On a link that every request crosses a delay makes them late, by half of it at least, and a cut
    or a reset makes them fail. None that did means that the load goes another way.
    """
    if witness is None or witness.sense not in MARKING:
        return None
    delay = witness.expected if witness.sense is Sense.DELAY else None
    if witness.sense is Sense.DELAY and delay is None:
        return None
    late = math.inf if delay is None else delay * SECOND / 2
    good_sorts = np.array([sort.outcome is RequestOutcome.OK for sort in requests.sorts])
    return sum(
        int(np.count_nonzero(~good_sorts[chunk.sort[rows]] | (chunk.latency[rows] >= late)))
        for chunk, rows in requests.rows(force)
    )


def _only_one(record: Record, target: InstanceTarget) -> bool:
    """Whether the service had no other instance: then its calls need not name it."""
    names = {
        str(instance.get("name"))
        for event in record.of_kind("target.state")
        for instance in _mappings(event.data.get("instances"))
        if instance.get("service") == target.service
    }
    return names == {target.name}


def _mappings(found: object) -> list[dict[str, object]]:
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def _of_instance(
    record: Record, window: Window, calls: list[Call], target: InstanceTarget, *, lasting: bool
) -> Exposure:
    since = f", counted from {seconds(BEFORE_A_BLOW)} before it was struck" if lasting else ""
    if _only_one(record, target):
        found = [call for call in calls if target.service in (call.source, call.target)]
        words = f"came from or went to {target.service}{since}"
        return _without_probes(record, window, found, words)
    found = [call for call in calls if target.name in (call.source_instance, call.target_instance)]
    nameless = [
        call
        for call in calls
        if (call.target == target.service and not call.target_instance)
        or (call.source == target.service and not call.source_instance)
    ]
    if not found and nameless:
        return Exposure(None, f"the calls of {target.service} don't name their instances")
    return _without_probes(record, window, found, f"came from or went to {target}{since}")


def _crosses(call: Call, link: LinkTarget) -> bool:
    """An instance that the call doesn't name doesn't exclude it."""
    return (
        call.source == link.source
        and call.target == link.target
        and (not link.source_instance or call.source_instance in ("", link.source_instance))
        and (not link.target_instance or call.target_instance in ("", link.target_instance))
    )
