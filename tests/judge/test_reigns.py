"""Who was a store's primary when: what follows from samples of roles, and what doesn't."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sloproof.contracts import Duration, Outcome, Sense
from sloproof.judge.checks.failover import Failover
from sloproof.judge.reigns import Reign, overlaps, reigns
from sloproof.model.verdict import Finding
from sloproof.testing.ledger import WrittenCopy, WrittenLedger
from sloproof.testing.record import RecordBuilder, WrittenFault
from tests.judge.cases import built, claim, line

PASS, FAIL, INCONCLUSIVE = Outcome.PASS, Outcome.FAIL, Outcome.INCONCLUSIVE
END = 25.0
KILL = WrittenFault(
    name="kill", at=10, kind="primary_kill", sense=Sense.GONE, lasting=True, healed=20.0,
    target={"instance": {"name": "a", "service": "db-a"}},
)  # fmt: skip
CUT = replace(
    KILL, name="cut", kind="partition", sense=Sense.REFUSED, lasting=False, healed=None, until=20.0,
    target={"link": {"name": "a-b", "source": "db-b", "target": "db-a"}},
)  # fmt: skip

# What a copy said, from when on; `life` is the number of its life, `-` where it said nothing.
PRIMARY = "0s primary 1"
STANDBY = "0s standby 1"
KILLED = "0s primary 1\n10s gone -"
PROMOTED = "0s standby 1\n12s primary 1"
REJOINED = "0s primary 1\n10s gone -\n20s standby 19.5"


def copy(builder: RecordBuilder, name: str, story: str, *, every: float = 0.1) -> None:
    """The samples of one copy: each line of its story holds until the next one."""
    lines = [line.split() for line in story.splitlines()]
    begins = [float(begin.removesuffix("s")) for begin, _, _ in lines]
    rows = ["from to every ok value detail"]
    for (begin, word, life), end in zip(lines, [*begins[1:], END], strict=True):
        well = "yes" if word in ("primary", "standby") else "no"
        value = "nan" if life == "-" else life
        rows.append(f"{begin} {end}s {every * 1000:g}ms {well} {value} {word}")
    builder.probe(f"role:db:{name}", "\n".join(rows))


def run(a: str, b: str, *faults: WrittenFault, every: float = 0.1) -> RecordBuilder:
    builder = RecordBuilder()
    builder.phases(warmup=0, baseline=2, faults=9, recovery=15, restore=END)
    for fault in faults or (KILL,):
        builder.fault(fault)
    builder.event(1, "target.state", when="before", stores={"db": ["a", "b"]})
    copy(builder, "a", a, every=every)
    copy(builder, "b", b, every=every)
    return builder


def judged(folder: Path, builder: RecordBuilder, fault: str = "kill", **fields: Any) -> Finding:
    record = built(builder, folder)
    check = Failover(store="db", **fields)
    return claim(record, line(check), load=None, faults=(fault,)).finding


@pytest.mark.parametrize(
    ("a", "b", "outcome", "words"),
    [
        (KILLED, PROMOTED, PASS, "at no moment two of a and b were primaries"),
        (REJOINED, PROMOTED, PASS, "at no moment"),
        (PRIMARY, STANDBY, PASS, "at no moment"),
        # It was never fenced: both say so of themselves.
        (PRIMARY, PROMOTED, FAIL, "b were both primaries for 12.899 s, first seen 10.001 s after"),
        # It came back as what it had been.
        (
            "0s primary 1\n10s gone -\n20s primary 19.5",
            PROMOTED,
            FAIL,
            "a and b were both primaries for 4.899 s, first seen 18.001 s after",
        ),
        # Nobody could ask it, but it has lived and reigned all along.
        ("0s primary 1\n10s timeout -\n20s primary 1", PROMOTED, FAIL, "a and b were both prim"),
        # Nobody could ask it, and it went on as a standby in another life: what was it meanwhile?
        (
            "0s primary 1\n10s timeout -\n20s standby 19.5",
            PROMOTED,
            INCONCLUSIVE,
            "a could not be asked for 7.62 s from 9.9 s after warm-up on, while b was or may have",
        ),
        ("0s primary 1\n10s refused -", PROMOTED, INCONCLUSIVE, "a could not be asked for"),
        ("0s primary 1\n10s refused -\n11s gone -", PROMOTED, PASS, "at no moment"),
        # A standby that nobody could ask is the same standby afterwards.
        (PRIMARY, "0s standby 1\n10s timeout -\n20s standby 1", PASS, "at no moment"),
        (PRIMARY, "0s standby 1\n10s timeout -\n20s standby 19", INCONCLUSIVE, "b could not be"),
        (PRIMARY, "0s standby 1\n10s gone -\n20s starting -\n21s standby 19.9", PASS, "at no"),
        (PRIMARY, "0s standby 1\n10s timeout -", INCONCLUSIVE, "b could not be asked"),
        # It was gone, and lets nobody in while it starts.
        (f"{KILLED}\n20s refused -\n20.5s starting -\n21s standby 20.9", PROMOTED, PASS, "at no"),
        (f"{KILLED}\n20s timeout -\n21s standby 20.9", PROMOTED, INCONCLUSIVE, "a could not be"),
        # The blow and the promotion lie within one interval.
        (KILLED, "0s standby 1\n10.1s primary 1", INCONCLUSIVE, "between two samples"),
        (KILLED, "0s primary 1", FAIL, "both primaries"),
    ],
)
def test_two_primaries_are_seen_excluded_or_neither(
    tmp_path: Path, a: str, b: str, outcome: Outcome, words: str
) -> None:
    found = judged(tmp_path, run(a, b))
    assert found.outcome is outcome, found.reason
    assert words in found.reason


@pytest.mark.parametrize(
    ("a", "b", "within", "outcome", "words"),
    [
        (KILLED, PROMOTED, "3s", PASS, "b was the primary between 1.849 s and 2.001 s later"),
        (KILLED, PROMOTED, "1s", FAIL, "b was the primary between 1.849 s and 2.001 s later"),
        (KILLED, PROMOTED, "1.9s", INCONCLUSIVE, "b was the primary between"),
        (KILLED, STANDBY, "3s", FAIL, "no other copy became the primary for"),
        (KILLED, STANDBY, "30s", INCONCLUSIVE, "no other copy became the primary for"),
        # Brought back as it was: that is no fail-over.
        ("0s primary 1\n10s gone -\n11s primary 10.9", STANDBY, "3s", FAIL, "no other copy"),
        (STANDBY, PRIMARY, "3s", INCONCLUSIVE, "no fault struck the store's primary"),
    ],
)
def test_a_new_primary_has_to_be_there_in_time(
    tmp_path: Path, a: str, b: str, within: str, outcome: Outcome, words: str
) -> None:
    found = judged(tmp_path, run(a, b), within=Duration.parse(within), at_most_one=False)
    assert found.outcome is outcome, found.reason
    assert words in found.reason


def test_a_fault_that_strikes_the_primary_by_way_of_a_link_is_named(tmp_path: Path) -> None:
    builder = run("0s primary 1\n11s gone -", PROMOTED, CUT)
    record = built(builder, tmp_path)
    check = Failover(store="db", within=Duration.parse("3s"))
    found = claim(record, line(check, during="fault:cut"), load=None, faults=("cut",)).finding
    assert found.outcome is PASS, found.reason
    assert claim(record, line(check), load=None, faults=("cut",)).finding.outcome is INCONCLUSIVE


@pytest.mark.parametrize(
    ("lacks", "outcome"), [((), PASS), (range(990, 1000), PASS), ((1500, 1501), FAIL)]
)
def test_writes_that_somebody_else_took_are_split_brain(
    tmp_path: Path, lacks: Any, outcome: Outcome
) -> None:
    """Of 0 … 999, acknowledged before the blow, some may be lost; of those after 12 s none."""
    builder = run(KILLED, PROMOTED)
    writes = "at every count outcome\n0s 10ms 1000 ack\n10s 10ms 210 failed\n12.1s 10ms 1000 ack"
    copies = (WrittenCopy(name="b", lacks=lacks),)
    builder.ledger(WrittenLedger(writes=writes, copies=copies))
    found = judged(tmp_path, builder)
    assert found.outcome is outcome, found.reason
    if outcome is FAIL:
        assert "2 writes acknowledged after b had become the primary never reached" in found.reason


def test_a_new_primary_that_takes_no_write_is_none_yet(tmp_path: Path) -> None:
    builder = run(KILLED, PROMOTED)
    writes = "at every count outcome\n0s 10ms 1000 ack\n10s 10ms 500 failed\n15s 10ms 900 ack"
    builder.ledger(WrittenLedger(writes=writes, copies=(WrittenCopy(name="b"),)))
    found = judged(tmp_path, builder, within=Duration.parse("3s"), at_most_one=False)
    assert found.outcome is INCONCLUSIVE, found.reason
    assert "between 1.849 s and 5.002 s later" in found.reason


def test_a_new_primary_that_has_nothing_of_the_old_one_was_no_standby(tmp_path: Path) -> None:
    builder = run(KILLED, PROMOTED)
    writes = "at every count outcome\n0s 10ms 1000 ack\n10s 10ms 210 failed\n12.1s 10ms 1000 ack"
    copies = (WrittenCopy(name="b", lacks=range(1000)),)
    builder.ledger(WrittenLedger(writes=writes, copies=copies))
    found = judged(tmp_path, builder, within=Duration.parse("3s"))
    assert found.outcome is INCONCLUSIVE, found.reason
    assert "b became the primary with none of the" in found.reason
    assert "it was no standby of a" in found.reason


def test_a_copy_that_no_probe_asked_may_have_been_anything(tmp_path: Path) -> None:
    builder = RecordBuilder()
    builder.phases(warmup=0, baseline=2, faults=9, recovery=15, restore=END)
    builder.event(1, "target.state", when="before", stores={"db": ["a", "b"]})
    copy(builder, "a", PRIMARY)
    found = judged(tmp_path, builder)
    assert (found.outcome, found.reason) == (
        INCONCLUSIVE,
        "what b was is not recorded: no probe asked",
    )


@pytest.mark.parametrize(
    ("word", "outcome", "words"),
    [
        # It took the connection, and said only later that it lets nobody in.
        ("starting", PASS, "at no moment"),
        ("timeout", INCONCLUSIVE, "a could not be asked for"),
    ],
)
def test_what_was_due_while_another_sample_was_under_way_is_told_by_that_one(
    tmp_path: Path, word: str, outcome: Outcome, words: str
) -> None:
    builder = RecordBuilder()
    builder.phases(warmup=0, baseline=2, faults=9, recovery=15, restore=END)
    builder.fault(KILL)
    builder.event(1, "target.state", when="before", stores={"db": ["a", "b"]})
    builder.probe(
        "role:db:a",
        f"""
        from   to     took  ok  value detail
        0s     10s    1ms   yes 1     primary
        10s    20s    1ms   no  nan   gone
        20s    20.1s  480ms no  nan   {word}
        20.1s  20.5s  0ms   no  nan   busy
        20.5s  25s    1ms   yes 20.1  standby
        """,
    )
    copy(builder, "b", PROMOTED)
    found = judged(tmp_path, builder)
    assert found.outcome is outcome, found.reason
    assert words in found.reason


def test_a_copy_that_never_answered_may_have_been_anything(tmp_path: Path) -> None:
    found = judged(tmp_path, run(PRIMARY, "0s timeout -"))
    assert (found.outcome, found.reason) == (INCONCLUSIVE, "b never said what it was")


def test_a_prober_that_paused_saw_nothing_meanwhile(tmp_path: Path) -> None:
    builder = run(PRIMARY, "0s standby 1\n10s standby 1")
    record = built(builder, tmp_path)
    [a, b] = reigns(record, "db")
    assert isinstance(a, Reign)
    assert a.sure[0][0] == 1_000_000
    assert b.possible == ()
    assert overlaps([a, b], 0, 2**61, sure=False) == []
