"""Figures and their page: a miss is written as missed, one figure alone is replaced."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks import results
from benchmarks.figure import Bench, Figure, Goal, Result, Row, figures, row
from benchmarks.machine import ROOT
from benchmarks.page import page

MEASURED = {
    "date": "2026-11-25 20:00 UTC",
    "commit": "abc",
    "load_before": 0.1,
    "load_after": 1.0,
    "seconds": 3.0,
    "quick": False,
    "machine": {"cores": 2, "memory_gib": 4.0, "cpu": "a cpu", "kernel": "Linux"},
    "versions": {"sloproof": "0"},
}


def figure(name: str = "speed", place: int = 1) -> Figure:
    return Figure(
        name=name, place=place, title="Speed", goal="≤ 2 s", method="Measured.", measure=None
    )


def entry(*rows: Row, **measured: Any) -> dict[str, Any]:
    return results.entry(figure(), Result(rows=rows), {**MEASURED, **measured})


def timed(*seconds: float, who: str = "sloproof", goal: Goal | None = None) -> Row:
    return row("time", seconds, "s", who=who, goal=goal)


AT_MOST_2 = Goal(at_most=2)


@pytest.mark.parametrize(
    ("rows", "outcome"),
    [
        ([timed(1, 2, 3, goal=AT_MOST_2)], "met"),
        ([timed(2.001, goal=AT_MOST_2)], "missed"),
        ([timed(1, goal=AT_MOST_2), timed(3, goal=AT_MOST_2)], "missed"),
        ([timed(1, goal=Goal(at_least=2))], "missed"),
        ([timed(1), timed(9, who="peer 1.0")], "no goal"),
        ([], "not measured"),
    ],
)
def test_every_goal_has_to_be_met(rows: list[Row], outcome: str) -> None:
    assert entry(*rows)["outcome"] == outcome


def test_a_miss_is_written_as_missed() -> None:
    text = page({"speed": entry(timed(3, goal=AT_MOST_2))})
    assert "| missed |" in text
    assert "**no**" in text
    assert "a cpu" in text


def test_reduced_repetitions_are_labelled() -> None:
    assert "met (quick)" in page({"speed": entry(timed(1, goal=AT_MOST_2), quick=True)})
    assert "quick)" not in page({"speed": entry(timed(1, goal=AT_MOST_2))})


def test_a_peer_stands_beside_with_its_version() -> None:
    rows = timed(1, goal=AT_MOST_2), timed(0.5, who="vegeta 12.13.0")
    assert "vegeta 12.13.0, time: 0.500 s" in page({"speed": entry(*rows)})


def test_what_could_not_be_measured_says_why() -> None:
    text = page({"speed": results.unmeasured(figure(), "failed", "no go")})
    assert "| failed |" in text
    assert "Not measured: no go" in text


def test_one_figure_is_replaced_and_the_others_stay(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    for name, place, seconds in (("b", 2, 1.0), ("a", 1, 1.0), ("b", 2, 9.0)):
        found = results.entry(
            figure(name, place), Result(rows=(timed(seconds, goal=AT_MOST_2),)), MEASURED
        )
        results.merge(path, name, found)
    kept = results.read(path)
    assert list(kept) == ["a", "b"]
    assert [each["outcome"] for each in kept.values()] == ["met", "missed"]


def test_a_row_has_the_median_and_the_extremes() -> None:
    found = timed(3, 1, 2)
    assert (found.value, found.low, found.high, found.repetitions) == (2, 1, 3, 3)


def test_quick_repeats_less(tmp_path: Path) -> None:
    assert Bench(tmp_path, quick=True).times(100, 5) == 5
    assert Bench(tmp_path, quick=False).times(100, 5) == 100


def test_names_are_unique_and_the_committed_results_are_of_known_figures() -> None:
    names = [each.name for each in figures()]
    assert len(set(names)) == len(names)
    assert set(results.read(ROOT / "benchmarks" / "results.json")) <= set(names)


def test_the_committed_page_is_what_the_results_say() -> None:
    kept = results.read(ROOT / "benchmarks" / "results.json")
    assert (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8") == page(kept)


def test_an_unknown_name_is_refused() -> None:
    argv = [sys.executable, "-m", "benchmarks", "no-such-figure"]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "no figure is called no-such-figure" in done.stderr
