"""Replication, backups and shifted traffic over hand-written records."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sloproof.contracts import Duration, Outcome, Ratio, Sense
from sloproof.judge.checks.backup import Backup
from sloproof.judge.checks.replication import Replication
from sloproof.judge.checks.traffic_shift import TrafficShift
from sloproof.model.verdict import Finding
from sloproof.testing.ledger import WrittenCopy, WrittenLedger
from sloproof.testing.record import RecordBuilder, WrittenFault
from tests.judge.cases import built, claim, line

PASS, FAIL, INCONCLUSIVE = Outcome.PASS, Outcome.FAIL, Outcome.INCONCLUSIVE
LAG = WrittenFault(
    name="lag", at=10, until=15, kind="replication_lag", sense=Sense.DELAY, size=2.0, tolerance=0.1,
    target={"instance": {"name": "b", "service": "db-b"}},
)  # fmt: skip
GONE = WrittenFault(
    name="gone", at=10, kind="region_loss", sense=Sense.GONE, lasting=True, healed=20,
    target={"instance": {"name": "web-a", "service": "web-a"}},
)  # fmt: skip


def run(*faults: WrittenFault) -> RecordBuilder:
    builder = RecordBuilder()
    builder.phases(warmup=0, baseline=2, faults=10, recovery=15, restore=25)
    for fault in faults:
        builder.fault(fault)
    return builder


def judged(builder: RecordBuilder, folder: Path, check: Any, fault: str, **more: Any) -> Finding:
    record = built(builder, folder)
    return claim(record, line(check, **more), load=None, faults=(fault,)).finding


# -- replication

PROMPT = "0s 25s 200ms 5ms yes 0.004 -"


def lagging(*rows: str, other: str = "0s 25s 200ms 1ms no nan no_primary") -> RecordBuilder:
    builder = run(LAG)
    builder.event(1, "target.state", when="before", stores={"db": ["a", "b"]})
    head = "from to every took ok value detail\n"
    builder.probe("lag:db:a", head + other)
    builder.probe("lag:db:b", head + "\n".join(rows))
    return builder


LATE = (
    "0s 10s 200ms 5ms yes 0.004 -",
    "10s 15s 200ms 2s yes 2.0 -",
    "15s 16s 200ms 1s yes 0.9 -",
    "16s 25s 200ms 5ms yes 0.004 -",
)


@pytest.mark.parametrize(
    ("rows", "during", "at_most", "outcome", "words"),
    [
        ((PROMPT,), "run", "10ms", PASS, "b: 0 writes of 115 took longer than 10ms, the slowest 4"),
        ((PROMPT,), "run", "3ms", FAIL, "b: 115 writes of 115 took longer than 3ms"),
        (LATE, "run", "1s", FAIL, "b: 25 writes of 115 took longer than 1s, the slowest 2 s"),
        (LATE, "baseline", "1s", PASS, "b: 0 writes of 40"),
        (LATE, "run", "2s", PASS, "the slowest 2 s"),
        # A write that never came within its time-out took at least that long.
        (
            ("0s 10s 200ms 5ms yes 0.004 -", "10s 25s 200ms 3s no nan timeout"),
            "run",
            "2s",
            FAIL,
            "",
        ),
        (
            ("0s 10s 200ms 5ms yes 0.004 -", "10s 25s 200ms 3s no nan timeout"),
            "run",
            "4s",
            INCONCLUSIVE,
            "b: when 75 writes came is not known",
        ),
        # Nor had one that was still awaited when nobody looked any more.
        (
            ("0s 10s 200ms 5ms yes 0.004 -", "10s 25s 200ms 3s no nan unfinished"),
            "run",
            "2s",
            FAIL,
            "b: 75 writes of 115 took longer than 2s, the slowest 3 s",
        ),
        (
            ("0s 10s 200ms 5ms yes 0.004 -", "10s 25s 200ms 3s no nan unfinished"),
            "run",
            "4s",
            INCONCLUSIVE,
            "b: when 75 writes came is not known",
        ),
        (
            ("0s 10s 200ms 5ms yes 0.004 -", "10s 25s 200ms 1ms no nan refused"),
            "run",
            "1s",
            INCONCLUSIVE,
            "b: when 75 writes came is not known",
        ),
        (("0s 25s 200ms 1ms no nan promoted",), "run", "1s", INCONCLUSIVE, "no copy of db was a"),
        # It was one when they were sent, and took none of them until it was promoted.
        (
            ("0s 10s 200ms 3s no nan promoted", "13s 25s 200ms 1ms no nan promoted"),
            "baseline",
            "1s",
            INCONCLUSIVE,
            "b was promoted before any of the 40 writes of baseline had come",
        ),
    ],
)
def test_every_write_has_to_be_visible_in_time(
    tmp_path: Path,
    rows: tuple[str, ...],
    during: str,
    at_most: str,
    outcome: Outcome,
    words: str,
) -> None:
    check = Replication(store="db", at_most=Duration.parse(at_most))
    found = judged(lagging(*rows), tmp_path, check, "lag", during=during)
    assert found.outcome is outcome, found.reason
    assert words in found.reason


@pytest.mark.parametrize(
    ("at_most", "within", "outcome"),
    [
        ("1s", "100ms", PASS),
        ("500ms", "1s", PASS),
        ("500ms", "900ms", INCONCLUSIVE),
        ("500ms", "500ms", FAIL),
        ("1ms", "5s", FAIL),
        ("1ms", "15s", INCONCLUSIVE),
    ],
)
def test_after_the_fault_it_has_to_catch_up(
    tmp_path: Path, at_most: str, within: str, outcome: Outcome
) -> None:
    """The fault ends at 15.0 to 15.05 s; the last late write is of 15.8 s, the next of 16 s."""
    check = Replication(store="db", at_most=Duration.parse(at_most), within=Duration.parse(within))
    found = judged(lagging(*LATE), tmp_path, check, "lag")
    assert found.outcome is outcome, found.reason


@pytest.mark.parametrize(("within", "outcome"), [("5s", FAIL), ("15s", INCONCLUSIVE)])
def test_what_never_comes_again_has_not_caught_up(
    tmp_path: Path, within: str, outcome: Outcome
) -> None:
    """Writes of the fault and of after it are still awaited at the end."""
    never = lagging("0s 10s 200ms 5ms yes 0.004 -", "10s 25s 200ms 8s no nan unfinished")
    check = Replication(store="db", at_most=Duration.parse("1s"), within=Duration.parse(within))
    found = judged(never, tmp_path, check, "lag")
    assert found.outcome is outcome, found.reason


def test_without_samples_of_every_copy_nothing_is_shown(tmp_path: Path) -> None:
    builder = run(LAG)
    builder.event(1, "target.state", when="before", stores={"db": ["a", "b", "c"]})
    for name in "ab":
        builder.probe(f"lag:db:{name}", "from to every took ok value\n" + PROMPT[:-2])
    check = Replication(store="db", at_most=Duration.parse("1s"))
    found = judged(builder, tmp_path, check, "lag")
    assert (found.outcome, found.reason) == (INCONCLUSIVE, "how late c was is not recorded")


# -- backup

WRITES = "at every count outcome\n2s 10ms 500 ack\n7s 10ms 10 failed\n7.1s 10ms 500 ack"
"""Acknowledged are 0 … 499 until 7 s, 510 … 1009 from 7.1 s on."""
AFTER = range(510, 1010)


def restored(name: str = "scratch", **more: Any) -> WrittenCopy:
    given: dict[str, Any] = {"role": "", "until": (7.035, 0.015), "lacks": AFTER}
    return WrittenCopy(name=name, **{**given, **more})


def backed_up(*copies: WrittenCopy) -> RecordBuilder:
    builder = run(LAG)
    builder.ledger(WrittenLedger(writes=WRITES, copies=(WrittenCopy(name="a"), *copies)))
    return builder


@pytest.mark.parametrize(
    ("copies", "outcome", "words"),
    [
        (
            (restored(),),
            PASS,
            "scratch, restored as of 5.035 s after warm-up (± 15 ms), holds all 5",
        ),
        ((restored(lacks=[499, *AFTER]),), FAIL, "1 write acknowledged before it missing (run-1-"),
        ((restored(lacks=range(520, 1010)),), FAIL, "10 writes of after it there"),
        ((restored(has=[505]),), FAIL, "1 write there that was never applied (run-1-000505)"),
        ((restored(twice=[3]),), FAIL, "1 write there more than once"),
        ((restored(strange=["x"]),), FAIL, "1 id unknown"),
        ((restored(error="refused"),), INCONCLUSIVE, "scratch could not be read back: refused"),
        (
            (restored(error="exit status 1: no backup", failed=True),),
            FAIL,
            "scratch could not be restored as of 5.035 s after warm-up (± 15 ms): exit status 1",
        ),
        ((restored(until=(1.2, 0.3), lacks=range(1010)),), INCONCLUSIVE, "no write was acknowled"),
        ((restored(until=(24.0, 0.0), lacks=()),), INCONCLUSIVE, "so any copy would do"),
        ((), INCONCLUSIVE, "no restored copy was read back"),
        ((restored(), restored("other", lacks=[0, *AFTER])), FAIL, "other, restored as of"),
    ],
)
def test_a_restore_holds_what_was_acknowledged_up_to_its_moment(
    tmp_path: Path, copies: tuple[WrittenCopy, ...], outcome: Outcome, words: str
) -> None:
    builder = run(LAG)
    builder.ledger(WrittenLedger(writes=WRITES, copies=(WrittenCopy(name="a"), *copies)))
    found = judged(builder, tmp_path, Backup(), "lag")
    assert found.outcome is outcome, found.reason
    assert words in found.reason


def test_a_write_in_flight_at_the_moment_may_be_there_or_not(tmp_path: Path) -> None:
    """The moment lies in that of write 510, which was sent at 7.1 s and acknowledged 2 ms later."""
    for number, has in enumerate(([], [510])):
        builder = run(LAG)
        copy = restored(until=(7.101, 0.0005), has=has)
        builder.ledger(WrittenLedger(writes=WRITES, copies=(WrittenCopy(name="a"), copy)))
        folder = tmp_path / str(number)
        folder.mkdir()
        assert judged(builder, folder, Backup(copy="scratch"), "lag").outcome is PASS


# -- traffic

INSTANCES = [
    {"name": "web-a", "service": "web-a", "region": "a"},
    {"name": "web-b", "service": "web-b", "region": "b"},
    {"name": "gate", "service": "gate", "region": ""},
]
BEFORE = "0s 10ms 1000 gate web-a gate web-a ok"


def shifted(*rows: str, fault: WrittenFault = GONE) -> RecordBuilder:
    builder = run(fault)
    builder.event(1, "target.state", when="before", instances=INSTANCES)
    builder.calls("\n".join(("at every count from to instance callee outcome", *rows)))
    return builder


@pytest.mark.parametrize(
    ("rows", "within", "outcome"),
    [
        ((BEFORE, "10s 10ms 1000 gate web-b gate web-b ok"), "1s", PASS),
        # 50 of 900 attempts still go where nobody is.
        (
            (
                BEFORE,
                "10s 10ms 1000 gate web-b gate web-b ok",
                "12s 10ms 50 gate web-a gate web-a refused",
            ),
            "1s",
            FAIL,
        ),
        (
            (
                BEFORE,
                "10s 10ms 1000 gate web-b gate web-b ok",
                "12s 10ms 50 gate web-a gate web-a rejected",
            ),
            "1s",
            PASS,
        ),
        ((BEFORE, "10s 10ms 300 gate web-a gate web-a refused"), "1s", FAIL),
        ((BEFORE, "10s 10ms 300 gate web-a gate web-a refused"), "5s", INCONCLUSIVE),
        (("10s 10ms 1000 gate web-b gate web-b ok",), "1s", INCONCLUSIVE),
        # Calls within the region are nobody's traffic.
        (("0s 10ms 2000 web-a web-b web-a web-b ok",), "1s", INCONCLUSIVE),
        # It was shifted in the very moment that counts.
        (
            (
                BEFORE,
                "10s 5ms 200 gate web-a gate web-a refused",
                "11s 5ms 6 gate web-a gate web-a refused",
                "11.06s 100ms 80 gate web-b gate web-b ok",
            ),
            "1s",
            INCONCLUSIVE,
        ),
    ],
)
def test_the_share_of_calls_into_each_region_decides(
    tmp_path: Path, rows: tuple[str, ...], within: str, outcome: Outcome
) -> None:
    check = TrafficShift(source="a", to="b", within=Duration.parse(within))
    found = judged(shifted(*rows), tmp_path, check, "gone")
    assert found.outcome is outcome, found.reason


def test_so_much_is_enough_as_is_asked_for(tmp_path: Path) -> None:
    rows = (
        BEFORE,
        "11.1s 10ms 90 gate web-b gate web-b ok",
        "12s 10ms 10 gate web-a gate web-a ok",
    )
    check = TrafficShift(
        source="a", to="b", within=Duration.parse("1s"), at_least=Ratio.parse("90%")
    )
    found = judged(shifted(*rows), tmp_path, check, "gone")
    assert found.outcome is PASS, found.reason
    assert "90% of 100 calls went to b from 1s after gone on (at least 90%)" in found.reason


def test_fewer_calls_than_one_that_may_stay_show_nothing(tmp_path: Path) -> None:
    """Of 99 calls not one may stay where 99% have to go, so that one says nothing of the rest."""
    for calls, outcome in ((99, INCONCLUSIVE), (100, PASS)):
        rows = (BEFORE, f"11.1s 10ms {calls} gate web-b gate web-b ok")
        check = TrafficShift(source="a", to="b", within=Duration.parse("1s"))
        found = judged(shifted(*rows), tmp_path / str(calls), check, "gone")
        assert found.outcome is outcome, found.reason


def test_each_time_that_the_region_goes_counts(tmp_path: Path) -> None:
    again = replace(GONE, name="again", at=15, healed=19)
    rows = (
        BEFORE,
        "11.1s 10ms 350 gate web-b gate web-b ok",
        "15s 10ms 500 gate web-a gate web-a ok",
    )
    builder = shifted(*rows, fault=replace(GONE, healed=14))
    builder.fault(again)
    check = TrafficShift(source="a", to="b", within=Duration.parse("1s"))
    record = built(builder, tmp_path)
    found = claim(record, line(check), load=None, faults=("gone", "again")).finding
    assert found.outcome is FAIL, found.reason
    assert "after again on" in found.reason


@pytest.mark.parametrize(("of", "outcome"), [("web", PASS), ("", FAIL)])
def test_traffic_can_be_that_of_one_service(tmp_path: Path, of: str, outcome: Outcome) -> None:
    builder = run(GONE)
    copies = [("web-a", "web", "a"), ("web-b", "web", "b"), ("db-1", "db", "a")]
    lives = [dict(zip(("name", "service", "region"), copy, strict=True)) for copy in copies]
    builder.event(1, "target.state", when="before", instances=lives)
    rows = (
        "at every count from to instance callee outcome",
        "0s 10ms 1000 gate web gate web-a ok",
        "10s 10ms 1000 gate web gate web-b ok",
        "12s 10ms 50 watch db watch db-1 refused",
    )
    builder.calls("\n".join(rows))
    check = TrafficShift(source="a", to="b", of=of, within=Duration.parse("1s"))
    assert judged(builder, tmp_path, check, "gone").outcome is outcome
