"""A verdict as JSON, the same bytes for the same verdict, and the schema of that file."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from sloproof.model.verdict import Claim, Number, Verdict

SCHEMA = "sloproof/verdict/v1"
_SCHEMA_FILE = Path(__file__).with_name("verdict.schema.json")


def verdict_json(verdict: Verdict) -> str:
    """The text of `verdict.json`: keys sorted, floats in their shortest exact form."""
    body = {
        "schema": SCHEMA,
        "run": verdict.run,
        "experiment": verdict.experiment,
        "outcome": verdict.outcome.value,
        "sentence": verdict.sentence,
        "claims": [claim_json(claim) for claim in verdict.claims],
        "evidence": list(verdict.evidence),
        "attribution": list(verdict.attribution),
        "measures": _finite(verdict.measures),
    }
    return json.dumps(body, indent=2, sort_keys=True, allow_nan=False, ensure_ascii=False) + "\n"


def verdict_schema() -> dict[str, Any]:
    """The JSON Schema of `verdict.json`."""
    schema: dict[str, Any] = json.loads(_SCHEMA_FILE.read_text(encoding="utf-8"))
    return schema


def claim_json(claim: Claim) -> dict[str, Any]:
    """A claim as it stands in `verdict.json`."""
    return {
        "id": claim.id,
        "check": claim.check,
        "window": claim.window,
        "outcome": claim.finding.outcome.value,
        "reason": claim.finding.reason,
        "numbers": [_number(number) for number in claim.finding.numbers],
        "notes": list(claim.finding.notes),
        "unattributed": claim.unattributed,
    }


def _number(number: Number) -> dict[str, Any]:
    return {
        "name": number.name,
        "value": _finite(number.value),
        "unit": number.unit,
        "low": _finite(number.low),
        "high": _finite(number.high),
    }


def _finite(value: Any) -> Any:
    """`value` with null in place of what JSON has no number for."""
    if isinstance(value, dict):
        return {str(key): _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
