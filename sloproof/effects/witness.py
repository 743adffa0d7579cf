"""Witnesses as plain data, so that an effect can carry its own through JSON."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from sloproof.contracts.probe import ProbeSpec, Sense, Witness
from sloproof.model.units import Duration


def witness_to_json(witness: Witness) -> dict[str, Any]:
    """The witness as plain data; durations become nanoseconds."""
    plain: dict[str, Any] = json.loads(json.dumps(asdict(witness)))
    return plain


def probe_from_json(data: dict[str, Any]) -> ProbeSpec:
    """The probe that `asdict` wrote."""
    return ProbeSpec(
        name=data["name"],
        kind=data["kind"],
        params=dict(data["params"]),
        every=Duration(data["every"]["ns"]),
        timeout=Duration(data["timeout"]["ns"]),
    )


def witness_from_json(data: dict[str, Any]) -> Witness | None:
    """The witness that `witness_to_json` wrote; None from nothing."""
    if not data:
        return None
    return Witness(
        sense=Sense(data["sense"]),
        probes=tuple(probe_from_json(probe) for probe in data["probes"]),
        expected=data["expected"],
        unit=data["unit"],
        tolerance=data["tolerance"],
        of=data.get("of", ""),
    )
