"""Which probes of the target met a fault: what the others show proves nothing of it."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from sloproof.contracts import Sense
from sloproof.contracts.check import ROLES
from sloproof.contracts.probe import BUSY
from sloproof.judge.agreement import same_door
from sloproof.judge.case import Case
from sloproof.judge.exposure import MARKING
from sloproof.judge.facts import EffectFacts, LinkTarget, own_probes
from sloproof.judge.faults import ProvenFault
from sloproof.judge.wording import SECOND
from sloproof.record.reader import Samples


def met_by(case: Case, fault: ProvenFault) -> frozenset[str]:
    """The services' probes of which a sample met `fault`; witnesses and roles are none.

    One did that was bad while the fault was in force, or late by half of its delay at least. Of a
    fault that points at all of the system, and of one on the way in that leaves no mark on each
    request, every sample through that door did.
    """
    names = own_probes(case.record)
    found = (name for name in names if not name.startswith(ROLES))
    return frozenset(name for name in found if _met(case, fault, name))


def _met(case: Case, fault: ProvenFault, name: str) -> bool:
    samples = case.record.probe(name)
    if samples is None:
        return False
    asked = samples.detail != BUSY
    meanwhile = asked & (samples.finished >= fault.force.begin) & (samples.sent < fault.force.end)
    if not meanwhile.any():
        return False
    if fault.facts.aimless or not fault.facts.effects:
        return True
    late = _usual(samples, asked, fault) + min(map(_delay, fault.facts.effects)) / 2
    marked = ~samples.ok | (samples.finished - samples.sent >= late)
    if (marked & meanwhile).any():
        return True
    return _at_the_door(case, name) and any(map(_unmarked, fault.facts.effects))


def _at_the_door(case: Case, name: str) -> bool:
    """Whether the probe asks where users do."""
    door = "" if case.target is None else case.target.entry.url
    return any(same_door(door, probe) for probe in case.own_probes if probe.name == name)


def _usual(samples: Samples, asked: NDArray[np.bool_], fault: ProvenFault) -> float:
    """The median of what an answer took before the fault, in nanoseconds; 0 where none came."""
    before = asked & samples.ok & (samples.finished < fault.facts.began)
    taken = (samples.finished - samples.sent)[before]
    return float(np.median(taken)) if len(taken) else 0.0


def _delay(effect: EffectFacts) -> float:
    """By how many nanoseconds an answer that crosses it is later; infinite where it isn't."""
    seen = effect.witness
    if seen is None or seen.sense is not Sense.DELAY or seen.expected is None:
        return math.inf
    return seen.expected * SECOND


def _unmarked(effect: EffectFacts) -> bool:
    """Whether it is on the way in and can't be told from one answer."""
    seen = effect.witness
    on_the_way_in = isinstance(effect.target, LinkTarget) and effect.target.entry
    return on_the_way_in and (seen is None or seen.sense not in MARKING)
