"""Probe specs as JSON, and the probes made from them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, get_type_hints

from sloproof.contracts import Duration, Probe, ProbeSpec
from sloproof.errors import ProberError
from sloproof.extensions import Extensions

SHORTEST_INTERVAL = Duration(10_000_000)


def spec_to_json(spec: ProbeSpec) -> dict[str, Any]:
    """The spec as plain data: durations of its own in nanoseconds, those among `params` as text."""
    data = {
        "name": spec.name,
        "kind": spec.kind,
        "params": dict(spec.params),
        "every": spec.every.ns,
        "timeout": spec.timeout.ns,
    }
    plain: dict[str, Any] = json.loads(json.dumps(data, default=str))
    return plain


def spec_from_json(data: Mapping[str, Any]) -> ProbeSpec:
    """The spec that `spec_to_json` wrote. Raises `ProberError` naming the probe."""
    name = data.get("name", "without a name")
    try:
        spec = ProbeSpec(
            name=data["name"],
            kind=data["kind"],
            params=dict(data["params"]),
            every=Duration(int(data["every"])),
            timeout=Duration(int(data["timeout"])),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ProberError(f"probe {name}: its spec is incomplete: {error!r}") from error
    if spec.every < SHORTEST_INTERVAL:
        raise ProberError(f"probe {name}: every {spec.every} is below {SHORTEST_INTERVAL}")
    if spec.timeout.ns <= 0:
        raise ProberError(f"probe {name}: a time-out must be positive")
    return spec


def probe_kinds(project: Path | None = None) -> Mapping[str, type[Probe]]:
    """All kinds of probes, loaded now: to import one between samples would make them late.

    Raises `ExtensionError` for a kind that doesn't load.
    """
    return dict(Extensions.of(project).probes)


def make_probe(spec: ProbeSpec, kinds: Mapping[str, type[Probe]]) -> Probe:
    """The probe that `spec` describes, its parameters checked. Raises `ProberError` naming it."""
    cls = kinds.get(spec.kind)
    if cls is None:
        known = ", ".join(sorted(kinds))
        raise ProberError(f'probe {spec.name}: there is no kind "{spec.kind}" (known: {known})')
    try:
        return cls(**_arguments(cls, spec.params))
    except (TypeError, ValueError) as error:
        raise ProberError(f"probe {spec.name} ({spec.kind}): {error}") from error


def _arguments(cls: type[Probe], params: Mapping[str, object]) -> dict[str, Any]:
    """`params` in the types of the class's fields; pydantic says what doesn't fit."""
    from pydantic import TypeAdapter, ValidationError

    known = {field.name for field in fields(cls) if field.init}  # type: ignore[arg-type]
    if unknown := sorted(set(params) - known):
        raise ValueError(f"unknown: {', '.join(unknown)} (known: {', '.join(sorted(known))})")
    hints = get_type_hints(cls)
    arguments = {}
    for name, value in params.items():
        try:
            arguments[name] = TypeAdapter(hints[name]).validate_python(value)
        except ValidationError as error:
            reasons = "; ".join(problem["msg"] for problem in error.errors())
            raise ValueError(f"{name}: {reasons}") from None
    return arguments
