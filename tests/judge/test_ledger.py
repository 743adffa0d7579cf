"""The whole truth of writes and copies: what was acknowledged, which copy has it, what that is."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import jsonschema
import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sloproof.contracts import Duration, Outcome, Sense
from sloproof.judge import verdict_json, verdict_schema
from sloproof.judge.checks.data_loss import DataLoss
from sloproof.judge.checks.recovery import RecoveryTime
from sloproof.judge.ledger import Ledger
from sloproof.model.verdict import Claim
from sloproof.record.reader import Record
from sloproof.record.writer import RecordWriter
from sloproof.testing.ledger import WrittenCopy, WrittenLedger, name_of
from sloproof.testing.moved import moved_record
from sloproof.testing.record import RecordBuilder, WrittenFault
from tests.judge.cases import built, claim, line, recovery_objective, verdict

PASS, FAIL, INCONCLUSIVE = Outcome.PASS, Outcome.FAIL, Outcome.INCONCLUSIVE
KILL = WrittenFault(
    name="kill", at=12, kind="pod_kill", sense=Sense.GONE, lasting=True, healed=14.0,
    target={"instance": {"name": "a", "service": "store"}},
)  # fmt: skip
"""It was applied at 12 s; by 12.051 s it was seen."""
WRITES = """
    at       every  count  outcome
    2s       10ms   1000   ack
    12s      10ms   100    failed
    13s      10ms   1000   ack
"""
"""Acknowledged 0 … 999 before the fault, the last of them at 11.992 s; 1100 … 2099 after it."""
NONE = line(DataLoss())
MANY = line(DataLoss(at_most=10))
A = WrittenCopy(name="a", role="standby")
B = WrittenCopy(name="b")


def rpo(text: str, **more: Any) -> Any:
    return line(DataLoss(rpo=Duration.parse(text), **more))


def ledger(*copies: WrittenCopy, writes: str = WRITES, **more: Any) -> WrittenLedger:
    return WrittenLedger(writes=writes, copies=copies or (A, B), **more)


def run(written: WrittenLedger, *faults: WrittenFault) -> RecordBuilder:
    builder = RecordBuilder()
    builder.phases(warmup=0, baseline=2, faults=12, recovery=13, restore=25)
    for fault in faults:
        builder.fault(fault)
    builder.probe("gate", "from to ok\n0s 12.1s yes\n12.1s 13s no\n13s 26s yes")
    builder.ledger(written)
    return builder


def judged(folder: Path, written: WrittenLedger, only: Any = NONE, *faults: WrittenFault) -> Claim:
    record = built(run(written, *(faults or (KILL,))), folder)
    return claim(record, only, load=None, faults=("kill",))


def figures(found: Claim) -> dict[str, Any]:
    return {number.name: number.value for number in found.finding.numbers}


def test_nothing_is_lost_where_the_primary_has_all(tmp_path: Path) -> None:
    found = judged(tmp_path, ledger())
    assert found.finding.outcome is PASS, found.finding.reason
    assert figures(found)["lost"] == 0
    assert figures(found)["acknowledged"] == 2000
    assert found.finding.reason.startswith("no acknowledged write lost on b")


OUTCOMES = ("ack", "failed", "open", "unsent")
PLACES = ("nowhere", "primary", "standby", "both", "twice")
WHAT = {
    # lost, stale, phantom, applied, duplicated; of one write, by its outcome and where it is
    ("ack", "nowhere"): (1, 0, 0, 0, 0),
    ("ack", "primary"): (0, 1, 0, 0, 0),
    ("ack", "standby"): (1, 0, 0, 0, 0),
    ("ack", "both"): (0, 0, 0, 0, 0),
    ("ack", "twice"): (0, 1, 0, 0, 1),
    ("failed", "nowhere"): (0, 0, 0, 0, 0),
    ("failed", "primary"): (0, 0, 1, 0, 0),
    ("failed", "standby"): (0, 0, 1, 0, 0),
    ("failed", "both"): (0, 0, 1, 0, 0),
    ("failed", "twice"): (0, 0, 1, 0, 1),
    ("open", "nowhere"): (0, 0, 0, 0, 0),
    ("open", "primary"): (0, 0, 0, 1, 0),
    ("open", "standby"): (0, 0, 0, 1, 0),
    ("open", "both"): (0, 0, 0, 1, 0),
    ("open", "twice"): (0, 0, 0, 1, 1),
    ("unsent", "nowhere"): (0, 0, 0, 0, 0),
    ("unsent", "primary"): (0, 0, 1, 0, 0),
    ("unsent", "standby"): (0, 0, 1, 0, 0),
    ("unsent", "both"): (0, 0, 1, 0, 0),
    ("unsent", "twice"): (0, 0, 1, 0, 1),
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("outcome", OUTCOMES)
def test_what_one_write_counts_as(tmp_path: Path, outcome: str, place: str) -> None:
    writes = f"at count outcome\n2s 900 ack\n11s 1 {outcome}\n13s 100 ack"
    one = [900]
    in_a, in_b = place in ("standby", "both"), place in ("primary", "both")
    a = replace(A, lacks=[] if in_a else one, has=one if in_a and outcome != "ack" else [])
    b = replace(B, lacks=[] if in_b else one, has=one if in_b and outcome != "ack" else [])
    if place == "twice":
        b = replace(b, twice=[900, 900])
    found = figures(judged(tmp_path, ledger(a, b, writes=writes)))
    names = ("lost", "stale a", "phantom", "indeterminate applied", "duplicated")
    assert tuple(found[name] for name in names) == WHAT[outcome, place]


def test_the_table_of_what_a_write_counts_as_is_whole() -> None:
    assert set(WHAT) == {(outcome, place) for outcome in OUTCOMES for place in PLACES}


@pytest.mark.parametrize(
    ("lacks", "only", "outcome"),
    [
        ([], NONE, PASS),
        ([999], NONE, FAIL),
        (range(990, 1000), MANY, PASS),
        (range(989, 1000), MANY, FAIL),
        ([999], rpo("1s"), PASS),
        (range(990, 1000), rpo("100ms"), INCONCLUSIVE),
        (range(910, 1000), rpo("1s"), PASS),
        (range(900, 1000), rpo("1s"), INCONCLUSIVE),
        (range(890, 1000), rpo("1s"), FAIL),
        ([890], rpo("1s"), FAIL),
        ([1500], rpo("1s"), FAIL),
        ([1500], rpo("1s", at_most=1), PASS),
        (range(910, 1000), rpo("1s", at_most=10), FAIL),
    ],
)
def test_so_many_may_be_lost_and_so_old(
    tmp_path: Path, lacks: Any, only: Any, outcome: Outcome
) -> None:
    found = judged(tmp_path, ledger(A, replace(B, lacks=lacks)), only)
    assert found.finding.outcome is outcome, found.finding.reason


def test_the_age_lies_between_what_both_clocks_leave_open(tmp_path: Path) -> None:
    found = judged(tmp_path, ledger(A, replace(B, lacks=range(900, 1000))), rpo("5s"))
    [age] = [number for number in found.finding.numbers if number.name == "rpo"]
    # write 900: sent at 11.000, acknowledged at 11.002; the fault between 12.000 and 12.051
    assert age.low == pytest.approx(0.998)
    assert age.high == pytest.approx(1.051)
    assert "100 acknowledged writes lost on b, the oldest between" in found.finding.reason


def test_what_nobody_read_back_has_no_figure(tmp_path: Path) -> None:
    unread = replace(B, role="", error="refused"), replace(A, role="", error="refused")
    found = judged(tmp_path, ledger(*unread), rpo("5s"))
    told = figures(found)
    assert (told["lost"], told["lost after the fault"], told["rpo"]) == (None, None, None)
    assert told["acknowledged"]
    [age] = [number for number in found.finding.numbers if number.name == "rpo"]
    assert (age.low, age.limits) == (None, ("rpo target",))


def test_all_that_is_lost_is_named_row_by_row(tmp_path: Path) -> None:
    lacks = [800, *range(900, 950), 960, 961]
    found = judged(tmp_path, ledger(A, replace(B, lacks=lacks)))
    [note] = [note for note in found.finding.notes if note.startswith("lost: ")]
    rows = (f"{name_of(900)} to {name_of(949)}", f"{name_of(960)} to {name_of(961)}")
    assert note == f"lost: {', '.join((name_of(800), *rows))}"


def test_of_the_rows_of_lost_writes_the_first_twenty_are_named(tmp_path: Path) -> None:
    found = judged(tmp_path, ledger(A, replace(B, lacks=range(900, 960, 2))))
    [note] = [note for note in found.finding.notes if note.startswith("lost: ")]
    assert note.startswith(f"lost: {name_of(900)}, {name_of(902)}, ")
    assert note.count("run-1-") == 20
    assert note.endswith(" and 10 more")


def test_split_brain_is_counted_apart(tmp_path: Path) -> None:
    found = judged(tmp_path, ledger(A, replace(B, lacks=[998, 999, 1100, 1101, 1102])))
    assert (figures(found)["lost"], figures(found)["lost after the fault"]) == (2, 3)
    assert "3 that were acknowledged after the fault" in found.finding.reason


def test_what_is_lost_but_still_in_another_copy_is_told(tmp_path: Path) -> None:
    found = judged(tmp_path, ledger(A, replace(B, lacks=[998])))
    assert f"lost, but still in another copy: {name_of(998)}" in found.finding.notes


def test_a_standby_that_lags_is_stale_and_has_lost_nothing(tmp_path: Path) -> None:
    found = judged(tmp_path, ledger(replace(A, lacks=range(2000, 2100)), B))
    assert found.finding.outcome is PASS
    assert figures(found)["stale a"] == 100
    # the oldest was acknowledged at 22.002, the copy was read at 24.5
    assert "copy a lacked 100 acknowledged writes, the oldest 2.498 s old: stale" in (
        found.finding.notes
    )


BROKEN = [
    ("copy that can't be read", {"copies": (A, replace(B, name="c", role="standby",
     error="refused"), B)}, "copy c could not be read: refused"),
    ("no primary", {"copies": (A, replace(B, role="standby"))}, "no copy is the primary"),
    ("role that nobody tells", {"copies": (replace(A, role=""), B)}, "whether copy a is the"),
    ("two primaries", {"copies": (replace(A, role="primary"), B)}, "a and b are primaries"),
    ("primary that still changes", {"copies": (A, replace(B, stable=False))}, "still changing"),
    ("strange ids", {"copies": (A, replace(B, strange=["run-1-9"]))}, "never wrote"),
    ("copies that were not read", {"copies": (), "read": False}, "were not read back"),
    ("rows that are missing", {"copies": (A, B), "planned": 2200}, "2,100 writes of 2,200"),
    ("process that was lost", {"copies": (A, B), "exit": "lost"}, "process was lost"),
]  # fmt: skip


@pytest.mark.parametrize(("what", "given", "words"), BROKEN, ids=[each[0] for each in BROKEN])
def test_what_is_not_whole_shows_nothing(
    tmp_path: Path, what: str, given: dict[str, Any], words: str
) -> None:
    found = judged(tmp_path, WrittenLedger(writes=WRITES, **given))
    assert found.finding.outcome is INCONCLUSIVE
    assert words in found.finding.reason


@pytest.mark.parametrize(
    ("copies", "outcome"),
    [
        # the primary tells, whoever else can't be read
        ((replace(A, error="timeout"), replace(B, lacks=[999])), FAIL),
        # without a primary: in no copy, if every copy was read
        ((replace(A, lacks=[999]), replace(B, role="standby", lacks=[999])), FAIL),
        ((A, replace(B, role="standby", lacks=[999])), INCONCLUSIVE),
        ((replace(A, error="timeout"), replace(B, role="standby", lacks=[999])), INCONCLUSIVE),
        # of two primaries: whichever stays
        ((replace(A, role="primary", lacks=[1]), replace(B, lacks=[999])), FAIL),
        ((replace(A, role="primary"), replace(B, lacks=[999])), INCONCLUSIVE),
    ],
)
def test_a_copy_that_is_not_read_has_neither_kept_nor_lost(
    tmp_path: Path, copies: tuple[WrittenCopy, ...], outcome: Outcome
) -> None:
    found = judged(tmp_path, ledger(*copies))
    assert found.finding.outcome is outcome, found.finding.reason


def test_a_copy_that_a_fault_killed_and_nobody_brought_back_need_not_be_read(
    tmp_path: Path,
) -> None:
    dead = replace(KILL, healed=None, until=24.8)
    gone = ledger(replace(A, error="refused", role=""), B)
    found = judged(tmp_path / "dead", gone, NONE, dead)
    assert found.finding.outcome is PASS, found.finding.reason
    assert any("not brought back: it was not read" in note for note in found.finding.notes)
    assert judged(tmp_path / "back", gone, NONE, KILL).finding.outcome is INCONCLUSIVE
    elsewhere = replace(dead, target={"instance": {"name": "web-1", "service": "web"}})
    assert judged(tmp_path / "other", gone, NONE, elsewhere).finding.outcome is INCONCLUSIVE


SHORT = [
    ("at every count\n10.8s 10ms 100", "were acknowledged for 1.198 s before"),
    ("at every count\n2s 10ms 850\n10.7s 10ms 100\n13s 10ms 100", "nothing was acknowledged for"),
    ("at every count\n2s 101ms 120", "nothing was acknowledged for"),
    ("at every count outcome\n2s 10ms 1000 failed\n13s 10ms 10 ack", "nothing had been"),
]


@pytest.mark.parametrize(("writes", "words"), SHORT)
def test_a_ledger_too_short_or_thin_for_its_rpo_shows_nothing(
    tmp_path: Path, writes: str, words: str
) -> None:
    found = judged(tmp_path, ledger(writes=writes), rpo("1s"))
    assert found.finding.outcome is INCONCLUSIVE
    assert words in found.finding.reason


def test_a_loss_that_reaches_back_to_the_first_write_may_reach_further(tmp_path: Path) -> None:
    lost = ledger(A, replace(B, lacks=range(1000)))
    assert judged(tmp_path, lost, rpo("9s")).finding.outcome is FAIL
    found = judged(tmp_path / "other", lost, rpo("60s"))
    assert found.finding.outcome is INCONCLUSIVE
    assert "at least" in found.finding.reason


def test_without_a_fault_nothing_counts_from_one(tmp_path: Path) -> None:
    record = built(run(ledger()), tmp_path)
    assert claim(record, NONE, load=None).finding.outcome is PASS
    assert claim(record, rpo("1s"), load=None).finding.outcome is INCONCLUSIVE


def test_another_ledger_is_not_this_one(tmp_path: Path) -> None:
    assert judged(tmp_path, ledger(), line(DataLoss(ledger="orders"))).finding.outcome is PASS
    found = judged(tmp_path / "other", ledger(), line(DataLoss(ledger="carts")))
    assert found.finding.outcome is INCONCLUSIVE


@pytest.mark.parametrize(
    ("lacks", "outcome"), [([], PASS), (range(950, 1000), PASS), ([500], FAIL)]
)
def test_a_recovery_objective_with_an_rpo_is_judged_by_both(
    tmp_path: Path, lacks: Any, outcome: Outcome
) -> None:
    record = built(run(ledger(A, replace(B, lacks=lacks)), KILL), tmp_path)
    back = recovery_objective("5s", rpo=Duration.parse("1s"))
    found = claim(record, line(RecoveryTime(objective="back")), (back,), load=None)
    assert found.finding.outcome is outcome, found.finding.reason
    assert {"rto", "rto target", "rpo", "rpo target", "lost"} <= set(figures(found))


def test_an_rpo_without_a_ledger_shows_nothing(tmp_path: Path) -> None:
    builder = RecordBuilder()
    builder.phases(warmup=0, baseline=2, faults=12, recovery=13, restore=25)
    builder.fault(KILL)
    builder.probe("gate", "from to\n0s 26s")
    back = recovery_objective("5s", rpo=Duration.parse("1s"))
    only = line(RecoveryTime(objective="back"))
    found = claim(built(builder, tmp_path), only, (back,), load=None)
    assert found.finding.outcome is INCONCLUSIVE
    assert found.finding.reason == "the record has no writes"


# Laws.

MASKS = st.sets(st.integers(0, 1099), max_size=40)
LAWS = settings(deadline=None, max_examples=8)
FEW = """
    at       every  count  outcome
    2s       10ms   1000   ack
    12s      10ms   50     open
    13s      10ms   50     ack
"""


def said(record: Record) -> Any:
    found = claim(record, rpo("1s"), load=None)
    return found.finding.outcome, found.finding.numbers


def written(lost: set[int], stale: set[int], twice: set[int], folder: Path) -> Record:
    a = replace(A, lacks=sorted(lost | stale))
    b = replace(B, lacks=sorted(lost), twice=sorted(twice))
    return built(run(ledger(a, b, writes=FEW), KILL), folder)


@LAWS
@given(MASKS, MASKS, MASKS)
def test_sets_of_writes_add_up(lost: set[int], stale: set[int], twice: set[int]) -> None:
    with TemporaryDirectory() as folder:
        found = Ledger.of(written(lost, stale, twice, Path(folder)))
        assert found is not None
        acknowledged = set(range(1000)) | set(range(1050, 1100))
        [primary] = found.primaries
        missing = set(np.flatnonzero(found.acknowledged & ~primary.has).tolist())
        assert missing == (lost & acknowledged) - twice
        standby = found.copies[0]
        assert set(np.flatnonzero(found.stale(standby)).tolist()) == acknowledged & (
            (stale - lost) | (lost & twice)
        )


@LAWS
@given(MASKS, MASKS, st.integers(1, 10**13))
def test_when_the_ledger_was_kept_changes_nothing(lost: set[int], stale: set[int], by: int) -> None:
    with TemporaryDirectory() as folder:
        record = written(lost, stale, set(), Path(folder))
        assert said(moved_record(record, Path(folder) / "moved", by)) == said(record)


@LAWS
@given(MASKS, MASKS, MASKS, st.integers(0, 2**32))
def test_in_which_order_the_rows_stand_changes_nothing(
    lost: set[int], stale: set[int], twice: set[int], seed: int
) -> None:
    with TemporaryDirectory() as folder:
        record = written(lost, stale, twice, Path(folder))
        mixed = Path(folder) / "mixed"
        shutil.copytree(record.folder, mixed)
        (mixed / "seal.json").unlink()
        for name in ("writes", "copies"):
            rows = pq.read_table(mixed / f"{name}.parquet")
            order = np.random.default_rng(seed).permutation(rows.num_rows)
            pq.write_table(rows.take(order), mixed / f"{name}.parquet")
        assert said(_sealed(mixed)) == said(record)


def _sealed(folder: Path) -> Record:
    again = folder.with_name("sealed")
    source = Record(folder)
    writer = RecordWriter(again)
    for event in source.events:
        writer.event(event.t, event.kind, **event.data)
    for path in folder.iterdir():
        if path.name != "events.jsonl":
            shutil.copy(path, again / path.name)
    writer.seal()
    return Record(again)


# -- the ledger among the measures


def measured(folder: Path, written: WrittenLedger, *faults: WrittenFault) -> Any:
    record = built(run(written, *faults), folder)
    found = verdict(record, load=None, faults=("kill",))
    jsonschema.validate(json.loads(verdict_json(found)), verdict_schema())
    return found.measures["ledger"]


def test_a_ledger_is_measured_whatever_is_claimed(tmp_path: Path) -> None:
    writes = WRITES + "23s 10ms 3 open\n23.1s 10ms 2 unsent"
    b = replace(B, lacks=[998, 999, 2099], has=[1000, 2100], twice=[5, 5])
    [found] = measured(tmp_path, ledger(replace(A, lacks=[7]), b, writes=writes), KILL)
    low, high = found.pop("rpo_s")
    assert 0.008 <= low <= high <= 0.071 + 0.01
    assert found == {
        "name": "orders",
        "writes": 2105,
        "acknowledged": 2000,
        "failed": 100,
        "indeterminate": 3,
        "not_sent": 2,
        "lost": 2,
        "lost_after_fault": 1,
        "duplicated": 1,
        "phantom": 1,
        "stale": {"a": 1},
        "reason": "",
    }


def test_what_the_copies_would_say_is_unknown_where_they_were_not_read(tmp_path: Path) -> None:
    [found] = measured(tmp_path, WrittenLedger(writes=WRITES, copies=(), read=False), KILL)
    assert (found["writes"], found["acknowledged"], found["failed"]) == (2100, 2000, 100)
    unknown = ("lost", "lost_after_fault", "duplicated", "phantom", "rpo_s")
    assert [found[name] for name in unknown] == [None] * 5
    assert (found["stale"], found["reason"]) == ({}, "the copies were not read back")


def test_nothing_counts_from_a_fault_that_never_was(tmp_path: Path) -> None:
    [found] = measured(tmp_path, ledger(A, replace(B, lacks=[3])))
    assert (found["lost"], found["rpo_s"]) == (1, None)


def test_what_was_lost_of_several_primaries_is_the_most(tmp_path: Path) -> None:
    a = replace(A, role="primary", lacks=[1, 2])
    [found] = measured(tmp_path, ledger(a, replace(B, lacks=[3])), KILL)
    assert (found["lost"], found["stale"]) == (2, {})
    assert found["reason"] == "a and b are primaries, both"


def test_a_run_without_a_ledger_has_none_among_its_measures(tmp_path: Path) -> None:
    builder = RecordBuilder()
    builder.phases(warmup=0, baseline=2, recovery=5, restore=25)
    assert verdict(built(builder, tmp_path), load=None).measures["ledger"] == []
