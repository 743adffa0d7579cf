"""What people write: experiments, targets, objectives; YAML in, frozen models out.

The names below are loaded when they are first used, so that finding experiments stays cheap.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sloproof.spec.discovery import fill_found
    from sloproof.spec.finding import find_experiments, project_of
    from sloproof.spec.loaded import Loaded
    from sloproof.spec.loading import load_experiment, load_objectives, outline
    from sloproof.spec.recorded import from_record, resolved_text
    from sloproof.spec.schema import json_schema

__all__ = [
    "Loaded",
    "fill_found",
    "find_experiments",
    "from_record",
    "json_schema",
    "load_experiment",
    "load_objectives",
    "outline",
    "project_of",
    "resolved_text",
]

_HOMES = {
    "Loaded": "loaded",
    "fill_found": "discovery",
    "find_experiments": "finding",
    "from_record": "recorded",
    "json_schema": "schema",
    "load_experiment": "loading",
    "load_objectives": "loading",
    "outline": "loading",
    "project_of": "finding",
    "resolved_text": "recorded",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
