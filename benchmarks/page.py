"""`docs/benchmarks.md`, from the JSON of results and nothing else."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from benchmarks.figure import SLOPROOF

Entry = Mapping[str, Any]

HEAD = """\
# Benchmarks

Written by `make bench` (`python -m benchmarks`) from `benchmarks/results.json`; don't edit it. One
figure alone is measured again by `python -m benchmarks NAME`; `--list` names them, `--quick`
repeats less. What missed its goal says so. Peers were measured in the same run as the figure
beside them. Numbers of different machines don't compare; ratios of one run do. A load average far
above nothing before a figure means that others were at work, and that its times are too long.
"""


def page(figures: Mapping[str, Entry]) -> str:
    """The whole page."""
    parts = [HEAD, *_machines(figures), *_summary(figures)]
    for name, entry in figures.items():
        parts += _section(name, entry)
    return "\n".join(parts)


def _machines(figures: Mapping[str, Entry]) -> Iterator[str]:
    for number, machine in enumerate(_distinct(figures), start=1):
        yield (
            f"Machine {number}: {machine['cores']} cores ({machine['cpu']}), "
            f"{machine['memory_gib']} GiB, {machine['kernel']}.\n"
        )


def _distinct(figures: Mapping[str, Entry]) -> list[Any]:
    found: list[Any] = []
    for entry in figures.values():
        machine = entry.get("measured", {}).get("machine")
        if machine and machine not in found:
            found.append(machine)
    return found


def _summary(figures: Mapping[str, Entry]) -> Iterator[str]:
    rows = []
    for name, entry in figures.items():
        outcome = _outcome(entry)
        told = [f"{r['what']}: {_value(r)}" for r in entry.get("rows", ()) if r["goal"]]
        peers = [
            f"{r['who']}, {r['what']}: {_value(r)}"
            for r in entry.get("rows", ())
            if r["who"] != SLOPROOF
        ]
        title = f"[{entry['title']}](#{name})"
        rows.append((title, entry["goal"], _lines(told), _lines(peers), outcome))
    yield _table(("figure", "goal", "measured", "beside it", "goal met"), rows)


def _section(name: str, entry: Entry) -> Iterator[str]:
    yield f'<a id="{name}"></a>\n\n## {entry["title"]}\n'
    yield f"Goal: {entry['goal']}. **{_outcome(entry)}**\n"
    yield f"{entry['method']}\n"
    if rows := entry.get("rows"):
        head = ("who", "what", "value", "spread", "goal", "met")
        yield _table(head, [_cells(row) for row in rows])
    for table in entry.get("tables", ()):
        yield f"{table['title']}:\n"
        yield _table(table["head"], table["rows"])
    for note in entry.get("notes", ()):
        yield f"- {note}"
    for missing in entry.get("missing", ()):
        yield f"- Not measured: {missing}"
    if entry.get("notes") or entry.get("missing"):
        yield ""
    if measured := entry.get("measured"):
        yield _provenance(measured)


def _outcome(entry: Entry) -> str:
    quick = entry.get("measured", {}).get("quick", False)
    return f"{entry['outcome']} (quick)" if quick else str(entry["outcome"])


def _cells(row: Entry) -> tuple[str, ...]:
    spread = f"{row['statistic']} of {row['repetitions']:,}"
    if row["low"] is not None:
        spread += f", {_number(row['low'])} to {_number(row['high'])}"
    met = {True: "yes", False: "**no**", None: ""}[row["met"]]
    return (row["who"], row["what"], _value(row), spread, _goal(row), met)


def _goal(row: Entry) -> str:
    goal = row["goal"] or {}
    words = {"at_most": "≤", "at_least": "≥"}
    bounds = [f"{words[n]} {_number(v)}" for n, v in goal.items() if v is not None]
    return f"{', '.join(bounds)} {row['unit']}".strip() if bounds else ""


def _value(row: Entry) -> str:
    return f"{_number(row['value'])} {row['unit']}".strip()


def _number(value: float) -> str:
    """Three significant digits, whole numbers whole, nothing below a ten-thousandth."""
    if value == int(value) or abs(value) >= 100:
        return f"{value:,.0f}"
    if abs(value) < 1e-4:
        return "0"
    return f"{value:.{max(0, 2 - math.floor(math.log10(abs(value))))}f}"


def _provenance(measured: Entry) -> str:
    versions = ", ".join(f"{name} {number}" for name, number in measured["versions"].items())
    quick = " with `--quick`, so with fewer repetitions," if measured["quick"] else ""
    return (
        f"Measured{quick} on {measured['date']} at commit {measured['commit'] or 'unknown'} in "
        f"{measured['seconds']:.0f} s; load average {measured['load_before']} before, "
        f"{measured.get('load_after', '?')} after. "
        f"{versions}.\n"
    )


def _lines(words: list[str]) -> str:
    return "<br>".join(words)


def _table(head: Any, rows: Any) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(_cell(c) for c in line) + " |" for line in lines) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
