"""The copies of the target before and after: which are missing, which live another life.

A probe through a gateway is good while half of the copies are dead, and a system that somebody
restarted by hand looks like one that healed itself. What stands in `target.state` tells both.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sloproof.judge.facts import EffectFacts, InstanceTarget, effects_of, system_events
from sloproof.record.reader import Record

TELLING = ("detected", "action", "repaired", "verified")
"""The roles of events by which a system accounts for what became of a copy."""


@dataclass(frozen=True, slots=True)
class Copy:
    """One copy as it was seen: `life` is the platform's own name of this life, "" if unknown."""

    name: str
    service: str
    life: str


@dataclass(frozen=True, slots=True)
class Copies:
    """The copies before and after the faults, by name; None where the run did not look."""

    before: Mapping[str, Copy]
    after: Mapping[str, Copy] | None

    @classmethod
    def of(cls, record: Record) -> Copies:
        """As the events `target.state` tell them."""
        seen: dict[str, dict[str, Copy]] = {}
        for event in record.of_kind("target.state"):
            found = event.data.get("instances")
            copies = [_copy(each) for each in found] if isinstance(found, list) else []
            seen[str(event.data.get("when"))] = {copy.name: copy for copy in copies}
        return cls(seen.get("before", {}), seen.get("after"))

    def missing(self, service: str = "") -> tuple[str, ...]:
        """The copies of a service (of any, by default) that are gone without a successor."""
        if self.after is None:
            return ()
        had = Counter(copy.service for copy in self.before.values())
        has = Counter(copy.service for copy in self.after.values())
        return tuple(
            name
            for name, copy in self.before.items()
            if name not in self.after
            and has[copy.service] < had[copy.service]
            and service in ("", copy.service)
        )

    def replaced(self) -> tuple[str, ...]:
        """The copies that live another life than before, or whose place another has taken."""
        if self.after is None:
            return ()
        gone = set(self.before) - set(self.after) - set(self.missing())
        reborn = {
            name
            for name, copy in self.before.items()
            if name in self.after and copy.life and copy.life != self.after[name].life
        }
        return tuple(sorted(gone | reborn))


def unaccounted(record: Record) -> tuple[str, ...]:
    """The copies that were replaced though no fault struck them and no event tells of it."""
    struck = {
        effect.target.name
        for effect in effects_of(record).values()
        if isinstance(effect.target, InstanceTarget) and effect.applying is not None
    }
    told = {event.instance for event in system_events(record, *TELLING)}
    return tuple(name for name in Copies.of(record).replaced() if name not in struck | told)


def still_dead(record: Record, effects: Iterable[EffectFacts]) -> tuple[str, ...]:
    """What was not back when the run ended: what the harness had to restore, and who is missing."""
    unhealed = [
        str(effect.target or effect.text)
        for effect in effects
        if effect.lasting
        and effect.applied is not None
        and effect.healed is None
        and effect.outcome != "absent"
    ]
    return tuple(dict.fromkeys([*unhealed, *Copies.of(record).missing()]))


def _copy(found: object) -> Copy:
    data = found if isinstance(found, dict) else {}
    name, service, life = (str(data.get(key, "")) for key in ("name", "service", "incarnation"))
    return Copy(name, service, life)
