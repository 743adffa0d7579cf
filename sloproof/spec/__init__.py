"""What people write: experiments, targets, objectives; YAML in, frozen models out.

The names below are loaded when they are first used, so that finding experiments stays cheap.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sloproof.spec.discovery import fill_found
    from sloproof.spec.finding import find_experiments, find_suites, project_of
    from sloproof.spec.loaded import Loaded
    from sloproof.spec.loaded_suite import LoadedSuite, claims_of, load_suite
    from sloproof.spec.loading import load_experiment, load_objectives, outline
    from sloproof.spec.recorded import from_record, resolved_text, suite_from_record, suite_text
    from sloproof.spec.schema import json_schema

__all__ = [
    "Loaded",
    "LoadedSuite",
    "claims_of",
    "fill_found",
    "find_experiments",
    "find_suites",
    "from_record",
    "json_schema",
    "load_experiment",
    "load_objectives",
    "load_suite",
    "outline",
    "project_of",
    "resolved_text",
    "suite_from_record",
    "suite_text",
]

_HOMES = {
    "Loaded": "loaded",
    "LoadedSuite": "loaded_suite",
    "claims_of": "loaded_suite",
    "fill_found": "discovery",
    "find_experiments": "finding",
    "find_suites": "finding",
    "from_record": "recorded",
    "json_schema": "schema",
    "load_experiment": "loading",
    "load_objectives": "loading",
    "load_suite": "loaded_suite",
    "outline": "loading",
    "project_of": "finding",
    "resolved_text": "recorded",
    "suite_from_record": "recorded",
    "suite_text": "recorded",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
