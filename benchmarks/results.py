"""The JSON of results: one entry a figure, so that one can be measured again by itself."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.figure import Figure, Result

FORMAT = 1


def read(path: Path) -> dict[str, Any]:
    """What has been measured so far, by figure."""
    if not path.exists():
        return {}
    found = json.loads(path.read_text(encoding="utf-8"))
    assert found["format"] == FORMAT, f"{path} is of another format: remove it"
    figures: dict[str, Any] = found["figures"]
    return figures


def entry(figure: Figure, result: Result, measured: dict[str, Any]) -> dict[str, Any]:
    """What the JSON holds of one figure."""
    rows = [{**asdict(each), "met": each.met} for each in result.rows]
    met = [each["met"] for each in rows if each["met"] is not None]
    without = "no goal" if rows else "not measured"
    return {
        **_told(figure),
        "outcome": ("met" if all(met) else "missed") if met else without,
        "rows": rows,
        "tables": [asdict(each) for each in result.tables],
        "notes": list(result.notes),
        "missing": list(result.missing),
        "measured": measured,
    }


def unmeasured(figure: Figure, outcome: str, reason: str) -> dict[str, Any]:
    """A figure without numbers: `not built yet`, or `failed` with the reason."""
    return {**_told(figure), "outcome": outcome, "missing": [reason] if reason else []}


def merge(path: Path, name: str, found: dict[str, Any]) -> None:
    """Put one figure into the file, all others as they are."""
    figures = {**read(path), name: found}
    ordered = dict(sorted(figures.items(), key=lambda item: item[1]["place"]))
    text = json.dumps({"format": FORMAT, "figures": ordered}, indent=1, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")


def _told(figure: Figure) -> dict[str, Any]:
    names = ("place", "title", "goal", "method")
    return {name: getattr(figure, name) for name in names}
