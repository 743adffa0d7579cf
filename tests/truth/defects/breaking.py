"""Ways to break one part of a simulated crew: the prober, the load, the platform, the system."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sloproof.contracts import Effect, Instance, Json, KillMode, Link, ProbeSpec, Sense, Witness
from sloproof.errors import HarnessError
from sloproof.model.units import Duration
from sloproof.record.schema import NEVER, Call, RequestOutcome
from sloproof.testing.world import Change, Death, Memory, World
from tests.truth.defects.drill import Drill

Columns = dict[str, Any]
Alter = Callable[[Columns], Columns]
Break = Callable[[Drill], None]
SECOND = 1_000_000_000


class Altering:
    """A record's writer that writes down something else than it is given."""

    def __init__(self, record: Any, alter: Alter) -> None:
        self.record, self.alter = record, alter

    def requests(self, batches: Iterable[Mapping[str, Any]], *words: Any) -> None:
        self.record.requests([self.alter(dict(batch)) for batch in batches], *words)

    def table(self, name: str, columns: Mapping[str, Sequence[Any]]) -> None:
        arrays = {column: np.array(values) for column, values in columns.items()}
        altered = self.alter(arrays)
        if len(altered["probe"]):
            self.record.table(name, {key: list(values) for key, values in altered.items()})


class Lying:
    """A driver that does all as the one inside, but writes down something else."""

    def __init__(self, inside: Any, alter: Alter, **facts: object) -> None:
        self.inside, self.alter, self.facts = inside, alter, facts

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inside, name)

    def write(self, record: Any, origin: int) -> Any:
        told = self.inside.write(Altering(record, self.alter), origin)
        return None if told is None else {**told, **self.facts}


def load(alter: Alter, **facts: object) -> Break:
    return lambda drill: drill.breaks("load", lambda inside: Lying(inside, alter, **facts))


def prober(alter: Alter) -> Break:
    return lambda drill: drill.breaks("prober", lambda inside: Lying(inside, alter))


def some(columns: Columns, which: NDArray[np.bool_]) -> Columns:
    return {name: values[which] for name, values in columns.items()}


# -- the prober


def silent(columns: Columns) -> Columns:
    return some(columns, np.zeros(len(columns["probe"]), dtype=bool))


def dead_halfway(columns: Columns) -> Columns:
    return some(columns, (columns["probe"] != "entry") | (columns["intended"] < 8 * SECOND))


def remembering(columns: Columns) -> Columns:
    """The answer to the first question is the answer to every one, given at once and in time."""
    entry = columns["probe"] == "entry"
    columns["ok"] = columns["ok"] | entry
    columns["detail"] = np.where(entry, "", columns["detail"])
    columns["finished"] = np.where(entry, columns["sent"] + 1_000_000, columns["finished"])
    return columns


def replaying(columns: Columns) -> Columns:
    """Old samples under new times: sent now, answered when the first was."""
    entry = columns["probe"] == "entry"
    first = columns["finished"][entry][0]
    columns["finished"] = np.where(entry, first, columns["finished"])
    columns["ok"] = columns["ok"] | entry
    return columns


def half_a_second_late(columns: Columns) -> Columns:
    for name in ("sent", "finished"):
        columns[name] = columns[name] + SECOND // 2
    return columns


def _witness(columns: Columns) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = np.char.startswith(columns["probe"], "witness:")
    return found


def blind(columns: Columns) -> Columns:
    return some(columns, ~_witness(columns))


def remembering_witness(columns: Columns) -> Columns:
    there = _witness(columns)
    columns["value"] = np.where(there, columns["value"][there][0], columns["value"])
    return columns


# -- the load


def none(columns: Columns) -> Columns:
    return some(columns, np.zeros(len(columns["arrival"]), dtype=bool))


def half(columns: Columns) -> Columns:
    return some(columns, columns["arrival"] % 2 == 0)


def only_what_is_answered(columns: Columns) -> Columns:
    """A closed loop: who hangs makes no new request, so the hung system has fewer to fail."""
    return some(columns, columns["outcome"] != RequestOutcome.TIMEOUT)


def late_with_free_slots(columns: Columns) -> Columns:
    columns["late"][::50] = 1
    return columns


def late_in_general(columns: Columns) -> Columns:
    for name in ("sent", "finished"):
        columns[name] = columns[name] + 50_000_000
    return columns


def timeouts_are_good(columns: Columns) -> Columns:
    lost = columns["outcome"] == RequestOutcome.TIMEOUT
    columns["outcome"][lost] = RequestOutcome.OK
    columns["status"][lost] = 200
    assert (columns["finished"][lost] == NEVER).all()
    return columns


def as_it_was(columns: Columns) -> Columns:
    return columns


# -- the platform and its effects


class Idle(Change):
    """An effect that reports success and does nothing."""

    def apply(self, prior: Json) -> None:
        return


class Astray(Change):
    """An effect that says that it concerns one thing and changes another."""

    def concerns(self) -> str:
        return "gateway-web"


class AstrayDeath(Death):
    """A death of the wrong copy."""

    def concerns(self) -> str:
        return "web-1"


class Spilling(Change):
    """An effect that changes its neighbour as well."""

    def apply(self, prior: Json) -> None:
        super().apply(prior)
        World(Path(self.world)).change("web-db", self.what, self.value)


class Broken(Memory):
    """A platform whose intents are made something else."""

    def __init__(self, inside: Memory, make: Callable[[Change], Effect]) -> None:
        super().__init__(inside.world, inside._services, inside._links)
        self.make = make

    def delay(self, link: Link, *how: Any) -> Effect:
        return self.make(super().delay(link, *how))  # type: ignore[arg-type]  # it is a Change

    def kill(self, instance: Instance, mode: KillMode, signal: str, grace: Duration) -> Effect:
        return self.make(super().kill(instance, mode, signal, grace))  # type: ignore[arg-type]

    def neighbours(self, effect: Effect, struck: Any) -> Sequence[Witness]:
        """The other link, as any platform looks beside what it strikes."""
        other = ProbeSpec("neighbour:web-db", "world", {"subject": "web-db", "what": "delay"})
        return [Witness(Sense.DELAY, (other,), 0.8, "s")] if "gateway-web" in struck else []


def platform(kind: type[Change], **fields: object) -> Break:
    """Let every effect be of another class, and have other fields."""

    def made(effect: Change) -> Effect:
        own = {field.name: getattr(effect, field.name) for field in dataclasses.fields(effect)}
        return kind(**own | fields)

    return lambda drill: drill.breaks("platform", lambda inside: Broken(inside, made))


# -- the world, and somebody else in it


def meanwhile(moment: float, subject: str, what: str, value: object) -> Break:
    """Somebody else changes something at so many seconds (the fault comes at 7.2)."""

    def schedule(drill: Drill) -> None:
        drill.at(moment, lambda: drill.platform.world.change(subject, what, value))

    return schedule


def from_the_start(subject: str, what: str, value: object) -> Break:
    return lambda drill: drill.platform.world.change(subject, what, value)


def both(*breaks: Break) -> Break:
    def all_of_them(drill: Drill) -> None:
        for each in breaks:
            each(drill)

    return all_of_them


def restarted(copy: str, moment: float) -> Break:
    return lambda drill: drill.at(moment, lambda: drill.platform.world.revive(copy))


def no_healer(drill: Drill) -> None:
    drill.heals_after = None


def clock_jump(drill: Drill) -> None:
    drill.at(8, lambda: drill.clock.jump(5 * SECOND))


def guardian_dies(drill: Drill) -> None:
    def beat(due: int) -> None:
        raise HarnessError("the guardian died")

    drill.at(8, lambda: setattr(drill.guard, "beat", beat))


def interrupted(drill: Drill) -> None:
    drill.at(8, lambda: setattr(drill.signals, "received", "SIGINT"))


# -- what the system tells


class Mute:
    """An observer that lost a source, or a part of it."""

    def __init__(self, inside: Any, calls: Callable[[list[Call]], list[Call] | None]) -> None:
        self.inside, self.filter = inside, calls

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inside, name)

    def calls(self) -> list[Call] | None:
        return self.filter(self.inside.calls())


def traces(kept: Callable[[list[Call]], list[Call] | None]) -> Break:
    return lambda drill: drill.breaks("observer", lambda inside: Mute(inside, kept))


def answered_by_its_own_cache(calls: list[Call]) -> list[Call]:
    """The service needs its store no more once the fault has come."""
    return [call for call in calls if call.target != "db" or call.finished < 7 * SECOND]


def no_trace(calls: list[Call]) -> None:
    return None


def only_heals(copy: str) -> Break:
    """A healer that looks after one copy alone."""

    def blinded(drill: Drill) -> None:
        drill.breaks("observer", lambda inside: _looking_after(inside, copy))

    return blinded


def _looking_after(healer: Any, copy: str) -> Any:
    healer.only = copy
    return healer
