"""Which parts of the record a check reads, and which of them the record lacks."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

from sloproof.contracts import Check, Source
from sloproof.contracts.check import PROBED, ROLES
from sloproof.record.reader import Record
from sloproof.spec.objectives import RecoveryObjective, Slo

CARRIED = frozenset({Source.REQUESTS, Source.CALLS})
"""What shows nothing of a fault that nothing crossed."""


@runtime_checkable
class Reads(Protocol):
    """A check whose sources depend on the objectives it names."""

    def reads(self, objectives: dict[str, Any]) -> tuple[Source, ...]:
        """The parts of the record it reads, in place of its class's `sources`."""
        ...


def sources_of(check: Check, objectives: dict[str, Any]) -> tuple[Source, ...]:
    """The parts of the record that `check` reads."""
    return check.reads(objectives) if isinstance(check, Reads) else check.sources


def has_source(record: Record, source: Source) -> bool:
    """Whether the record has that part."""
    if source is Source.SYSTEM_EVENTS:
        listened = any(
            event.data.get("of") == source.value and event.data.get("found")
            for event in record.of_kind("source.read")
        )
        return listened or bool(record.of_kind("system"))
    if source in PROBED:
        roles = sum(name.startswith(ROLES) for name in record.probe_names)
        return bool(roles if source is Source.ROLES else len(record.probe_names) - roles)
    return record.has(source.value)


def objectives_named(check: Check, objectives: dict[str, Any]) -> tuple[str, ...]:
    """The objectives that the fields of `check` name."""
    words = (getattr(check, name, None) for name in getattr(check, "__dataclass_fields__", ()))
    return tuple(word for word in words if isinstance(word, str) and word in objectives)


def slos_named(check: Check, objectives: dict[str, Any]) -> tuple[Slo, ...]:
    """The SLOs among them."""
    found = (objectives[name] for name in objectives_named(check, objectives))
    return tuple(slo for slo in found if isinstance(slo, Slo))


def probes_of(check: Check, objectives: dict[str, Any]) -> frozenset[str]:
    """The probes that `check` names, itself or by its recovery objectives; none: it reads all."""
    own: tuple[str, ...] = getattr(check, "probes", ())
    return frozenset((*own, *(each.probe for each in recoveries_named(check, objectives))))


def recoveries_named(check: Check, objectives: dict[str, Any]) -> tuple[RecoveryObjective, ...]:
    """The recovery objectives among them."""
    found = (objectives[name] for name in objectives_named(check, objectives))
    return tuple(each for each in found if isinstance(each, RecoveryObjective))
