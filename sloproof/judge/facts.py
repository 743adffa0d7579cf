"""What the events of a record say happened, as values: effects, faults, the system's own words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from sloproof.contracts import Sense
from sloproof.record.reader import Record
from sloproof.record.schema import Event


@dataclass(frozen=True, slots=True)
class LinkTarget:
    """The link that an effect changed."""

    name: str
    source: str
    target: str
    source_instance: str
    target_instance: str
    entry: bool

    def __str__(self) -> str:
        return self.name or f"{self.source}→{self.target}"


@dataclass(frozen=True, slots=True)
class InstanceTarget:
    """The instance that an effect changed."""

    name: str
    service: str

    def __str__(self) -> str:
        return self.name or self.service


@dataclass(frozen=True, slots=True)
class WitnessPlan:
    """By which probes an effect is seen; `kept` are those over a connection older than it."""

    sense: Sense
    probes: tuple[str, ...]
    kept: tuple[str, ...]
    expected: float | None
    unit: str
    tolerance: float | None
    of: str = ""
    """Of a neighbour's witness: which link or instance it looks at."""


@dataclass(frozen=True, slots=True)
class EffectFacts:
    """One effect and what became of it; times are None for what never happened."""

    number: int
    fault: str
    occurrence: int
    text: str
    lasting: bool
    target: LinkTarget | InstanceTarget | None
    witness: WitnessPlan | None
    neighbours: tuple[WitnessPlan, ...]
    again: bool = False
    """Whether it struck what had come in place of what was struck before: a fault that holds."""
    applying: int | None = None
    applied: int | None = None
    undoing: int | None = None
    undone: int | None = None
    healed: int | None = None
    outcome: str = ""
    by: str = ""
    error: str = ""
    undo_error: str = ""

    @property
    def cleared_itself(self) -> bool:
        """Whether the system put an end to it before it was undone, by replacing what it changed.

        One that is merely gone before its time is not healed: somebody took it away.
        """
        return not self.lasting and self.healed is not None

    @property
    def stays_until(self) -> int | None:
        """When it stopped being in force for sure at the latest: healed or put back."""
        times = [time for time in (self.healed, self.undone) if time is not None]
        return min(times) if times else None


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One time that a fault was injected."""

    fault: str
    number: int
    kind: str
    began: int
    ended: int | None
    effects: tuple[EffectFacts, ...]
    aimless: bool = False
    """It points at no part of the system: its subject is all of it."""

    @property
    def lasting(self) -> bool:
        """Whether the system itself must heal it."""
        return any(effect.lasting for effect in self.effects)

    @property
    def where(self) -> str:
        """What its effects changed, for people."""
        return ", ".join(dict.fromkeys(str(e.target) for e in self.effects if e.target))

    @property
    def requested(self) -> str:
        """Its effects in words."""
        return "; ".join(dict.fromkeys(effect.text for effect in self.effects))


@dataclass(frozen=True, slots=True)
class SystemEvent:
    """What the system under test said of itself; `time` is right to within `error`."""

    source: str
    instance: str
    event: str
    role: str
    time: int
    error: int
    detail: Mapping[str, Any]


def effects_of(record: Record) -> dict[int, EffectFacts]:
    """Every effect that was planned, by its number; the guardian's deeds included."""
    found: dict[int, EffectFacts] = {}
    for event in record.of_kind("effect.planned"):
        effect = _planned(event.data)
        found[effect.number] = effect
    for event in sorted((*record.events, *record.guardian), key=lambda event: event.t):
        number = event.data.get("number")
        if event.kind.startswith("effect.") and isinstance(number, int) and number in found:
            found[number] = _then(found[number], event)
    return found


def own_probes(record: Record) -> list[str]:
    """The probes that are no fault's witness."""
    witnesses = {
        name
        for effect in effects_of(record).values()
        for plan in (effect.witness, *effect.neighbours)
        if plan is not None
        for name in plan.probes
    }
    return [name for name in record.probe_names if name not in witnesses]


def occurrences_of(record: Record) -> tuple[Occurrence, ...]:
    """Every fault that was injected, in order of its beginning."""
    effects = effects_of(record)
    ends = {
        (str(e.data["fault"]), int(str(e.data["occurrence"]))): e.t
        for e in record.of_kind("fault.ended")
    }
    found = []
    for event in record.of_kind("fault.injecting"):
        fault, number = str(event.data["fault"]), int(str(event.data["occurrence"]))
        own = tuple(
            effect
            for effect in effects.values()
            if (effect.fault, effect.occurrence) == (fault, number)
        )
        ended = ends.get((fault, number))
        kind = str(event.data.get("inject", ""))
        aimless = event.data.get("where") == []
        found.append(Occurrence(fault, number, kind, event.t, ended, own, aimless))
    return tuple(sorted(found, key=lambda o: (o.began, o.fault, o.number)))


def system_events(record: Record, *roles: str) -> tuple[SystemEvent, ...]:
    """The target's own events in order of their times; all of them, or those in `roles`."""
    found = []
    for event in record.of_kind("system"):
        role = str(event.data.get("role", ""))
        if not roles or role in roles:
            found.append(_system(event, role))
    return tuple(sorted(found, key=lambda e: (e.time, e.source, e.instance, e.event)))


def _system(event: Event, role: str) -> SystemEvent:
    data: dict[str, Any] = event.data
    detail = data.get("detail")
    return SystemEvent(
        source=str(data.get("source", "")),
        instance=str(data.get("instance", "")),
        event=str(data.get("event", "")),
        role=role,
        time=int(data.get("time", event.t)),
        error=int(data.get("error_ns", 0)),
        detail=detail if isinstance(detail, dict) else {"text": "" if detail is None else detail},
    )


def _planned(data: Mapping[str, Any]) -> EffectFacts:
    witness = data.get("witness")
    return EffectFacts(
        number=int(data["number"]),
        fault=str(data["fault"]),
        occurrence=int(data.get("occurrence", 1)),
        text=str(data.get("effect", "")),
        lasting=bool(data.get("lasting", False)),
        target=_target(data.get("target") or {}),
        witness=_witness(witness) if witness else None,
        neighbours=tuple(map(_witness, data.get("neighbours") or ())),
        again=bool(data.get("again", False)),
    )


def _target(data: Mapping[str, Any]) -> LinkTarget | InstanceTarget | None:
    if link := data.get("link"):
        words = ("name", "source", "target", "source_instance", "target_instance")
        name, source, target, caller, called = (str(link.get(word, "")) for word in words)
        return LinkTarget(name, source, target, caller, called, bool(link.get("entry", False)))
    if instance := data.get("instance"):
        return InstanceTarget(str(instance.get("name", "")), str(instance.get("service", "")))
    return None


def _witness(data: Mapping[str, Any]) -> WitnessPlan:
    return WitnessPlan(
        sense=Sense(data["sense"]),
        probes=_names(data.get("probes")),
        kept=_names(data.get("kept")),
        expected=data.get("expected"),
        unit=str(data.get("unit", "")),
        tolerance=data.get("tolerance"),
        of=str(data.get("of", "")),
    )


def _names(names: Iterable[object] | None) -> tuple[str, ...]:
    return tuple(str(name) for name in names or ())


def _then(effect: EffectFacts, event: Event) -> EffectFacts:  # noqa: PLR0911 - one line a kind
    """The effect after one more of its events; of several undos the first try, the last word."""
    data, t = event.data, event.t
    match event.kind:
        case "effect.applying":
            return replace(effect, applying=t)
        case "effect.applied":
            return replace(effect, applied=t)
        case "effect.failed":
            return replace(effect, error=str(data.get("error", "failed")))
        case "effect.undoing":
            return effect if effect.undoing is not None else replace(effect, undoing=t)
        case "effect.healed":
            return effect if effect.healed is not None else replace(effect, healed=t)
        case "effect.undo_failed":
            return replace(effect, undo_error=str(data.get("error", "failed")))
        case "effect.undone":
            return _undone(effect, t, str(data.get("outcome", "")), str(data.get("by", "")))
    return effect


def _undone(effect: EffectFacts, t: int, outcome: str, by: str) -> EffectFacts:
    """`absent` after `reverted` only confirms it."""
    if effect.outcome == "reverted" and outcome == "absent":
        return replace(effect, undo_error="")
    return replace(effect, undone=t, outcome=outcome, by=by, undo_error="")
