"""Judging: from the record of a run to its verdict; pure, so that the same record says the same.

`judge` gives the verdict, `verdict_json` its file, `asked_of` what the run was asked; `adequacy`
tells beforehand what a planned run can't decide. The names are loaded when they are first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sloproof.judge.adequacy import adequacy, planned_windows
    from sloproof.judge.verdict import asked_of, judge
    from sloproof.judge.writing import verdict_json, verdict_schema

__all__ = ["adequacy", "asked_of", "judge", "planned_windows", "verdict_json", "verdict_schema"]

_HOMES = {
    "adequacy": "adequacy",
    "asked_of": "verdict",
    "judge": "verdict",
    "planned_windows": "adequacy",
    "verdict_json": "writing",
    "verdict_schema": "writing",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = found
    return found
