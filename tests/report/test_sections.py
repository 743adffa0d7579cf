"""The page's sections as values, from figures like those of real runs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sloproof.model.verdict import Claim, Finding, Number, Outcome
from sloproof.record.reader import Record
from sloproof.record.writer import RecordWriter
from sloproof.report import fault_rows, sections, series, story, trust
from sloproof.report.figures import FaultFigures, Figures, LoadFigures, RecoveryFigures
from tests.report import judged, sample

KILL = FaultFigures(
    name="kill",
    occurrence=1,
    kind="pod_kill",
    where="dialogue-2",
    requested="kill dialogue-2 with SIGKILL",
    began_s=(6.62, 6.64),
    ended_s=(8.6, 8.6),
    witnessed=True,
    exposure=397,
    exposure_reason="397 calls came from or went to dialogue-2",
    healed_by="system",
)


def test_the_longest_recovery_is_the_one_that_may_have_taken_longest() -> None:
    shown = Figures(
        recoveries=(
            RecoveryFigures("back", ("kill",), (0.0, 0.0079)),
            RecoveryFigures("back", ("kill (no. 2)",), (0.0, 0.0792)),
        )
    )
    tile = sections.tiles(judged.verdict(), shown, None)[1]
    assert (tile.label, tile.value) == ("Time to recovery, at most", "79.2 ms")
    assert tile.note == "back, after kill (no. 2)"


def test_a_recovery_without_an_end_is_longer_than_any_other() -> None:
    shown = Figures(
        recoveries=(
            RecoveryFigures("back", ("a",), (3.0, 9.0)),
            RecoveryFigures("back", ("b",), (2.0, None), censored=True),
        )
    )
    tile = sections.tiles(judged.verdict(), shown, None)[1]
    assert (tile.label, tile.value) == ("Time to recovery, over", "2 s")


def test_a_recovery_that_nobody_saw_has_no_figure() -> None:
    shown = Figures(recoveries=(RecoveryFigures("back", ("a",), (0.0, None), censored=True),))
    tile = sections.tiles(judged.verdict(), shown, None)[1]
    assert (tile.label, tile.value) == ("Time to recovery", "not seen")


@pytest.mark.parametrize(
    ("change", "put_back", "by"),
    [
        ({}, "after 1.98 s", "by the system itself"),
        ({"healed_by": "", "time_to_revert_s": 0.0393}, "in 39.3 ms", "by the harness"),
        ({"healed_by": "nobody"}, "–", "by nobody"),
        ({"healed_by": "harness", "time_to_revert_s": None}, "–", "by the harness"),
    ],
)
def test_who_put_it_back_and_how_fast(change: Any, put_back: str, by: str) -> None:
    row = fault_rows.fault_row(replace(KILL, **change))
    assert (row.put_back, row.by) == (put_back, by)


def test_a_fault_row_counts_nothing_twice() -> None:
    row = fault_rows.fault_row(KILL)
    assert row.exposure == "397 calls came from or went to dialogue-2"
    assert row.window == "6.64 s to 8.60 s"
    assert row.certainty == ""


def test_a_beginning_in_doubt_is_told_with_its_doubt() -> None:
    row = fault_rows.fault_row(replace(KILL, began_s=(7.04, 7.96)))
    assert row.certainty == "it began between 7.04 s and 7.96 s"


@pytest.mark.parametrize(
    ("rto", "censored", "text"),
    [
        ((0.0, 0.093), False, "at most 93 ms"),
        ((3.204, 3.231), False, "3.204 s to 3.231 s"),
        ((2.5, None), True, "over 2.5 s"),
        ((0.0, None), True, "not seen"),
    ],
)
def test_a_recovery_says_no_more_than_was_seen(rto: Any, censored: bool, text: str) -> None:
    found = RecoveryFigures("back", rto_s=rto, censored=censored)
    assert sections.waterfall(found).rto == text


def test_what_failed_stands_first() -> None:
    rows = sections.claim_rows(reversed(judged.CLAIMS))
    assert [row.outcome for row in rows] == [
        Outcome.FAIL,
        Outcome.INCONCLUSIVE,
        Outcome.PASS,
        Outcome.PASS,
        Outcome.PASS,
    ]


def test_every_place_that_a_repeated_fault_struck_is_named(tmp_path: Path) -> None:
    writer = RecordWriter(tmp_path / "r")
    writer.event(0, "run.started", run="r", experiment="e", wall_ns=1, seed=1, version="0")
    fields = {"mode": "crash", "grace": "0s", "hold": "False"}
    for n in (1, 2, 3):
        at = n * 6 * sample.S
        writer.event(
            at, "fault.injecting", fault="kill", occurrence=n, inject="pod_kill", fields=fields
        )
    writer.seal()
    places = ("dialogue-2", "dialogue-1", "dialogue-2")
    faults = tuple(replace(KILL, occurrence=n, where=w) for n, w in enumerate(places, 1))
    record = Record(tmp_path / "r")
    lines = story.done(record, Figures(faults=faults), series.axis(record), None)
    assert lines[1].text == (
        "pod kill “kill” on dialogue-2 and dialogue-1: mode crash; 3 times, first 6.62 s after "
        "warm-up"
    )


@pytest.mark.parametrize(
    ("planned", "delivered", "adequate", "text"),
    [
        (829, 830, True, "all 829 planned arrivals came"),
        (829, 829, True, "all 829 planned arrivals came"),
        (829, 828, True, "828 arrivals came, 829 were planned"),
        (829, 900, False, "900 arrivals came, 829 were planned"),
        (None, 830, True, ""),
    ],
)
def test_one_arrival_at_the_edge_is_not_told_as_a_riddle(
    planned: int | None, delivered: int, adequate: bool, text: str
) -> None:
    load = LoadFigures(planned=planned, delivered=delivered, adequate=adequate)
    assert story.arrivals(load) == text


def test_what_the_generator_had_to_say_stands_beside_its_adequacy(slow_speech: Path) -> None:
    load = LoadFigures(planned=9, delivered=9, adequate=True, notices=("wait_time is ignored",))
    (check,) = [
        c for c in trust.checks(Record(slow_speech), Figures(load=load)) if c.title == "Load"
    ]
    assert (check.state, check.notes) == ("ok", ("wait_time is ignored",))


def test_an_error_of_the_harness_is_told_once(tmp_path: Path) -> None:
    writer = RecordWriter(tmp_path / "r")
    writer.event(0, "run.started", run="r", experiment="e", wall_ns=1, seed=1, version="0")
    writer.event(1, "harness.error", where="load", error="it broke")
    writer.seal()
    told = judged.verdict(attribution=("the harness failed in load: it broke",))
    assert len(trust.problems(Record(tmp_path / "r"), told)) == 1
    assert len(trust.problems(Record(tmp_path / "r"), judged.verdict())) == 1


def test_the_environment_is_said_in_words_and_only_there(tmp_path: Path) -> None:
    writer = RecordWriter(tmp_path / "r")
    writer.event(0, "run.started", run="r", experiment="e", wall_ns=1, seed=1, version="0")
    writer.json("environment.json", {"cpus": 2, "memory_bytes": 25276514304, "seed": 1})
    writer.seal()
    assert sections.environment(Record(tmp_path / "r")) == [("CPUs", "2"), ("Memory", "23.5 GiB")]


def test_every_bound_is_in_its_column() -> None:
    took = Number("rto after b", 0.079, "s", 0.0, 0.079, ("rto target",))
    numbers = (took, Number("rto target", 5.0, "s"))
    row = sections.claim_row(
        Claim("recovery:back", "recovery", "run", Finding(Outcome.PASS, "", numbers))
    )
    assert (row.required, row.measured) == ("≤ 5 s", "79 ms")
    assert row.about == "recovery time, the whole run"
