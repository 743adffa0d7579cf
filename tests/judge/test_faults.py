"""Injection fidelity, exposure and healing over hand-written witnesses."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sloproof.contracts import Sense
from sloproof.judge.checks.slo import ServiceLevel
from sloproof.model.verdict import Outcome, Verdict
from sloproof.testing.record import RecordBuilder, WrittenFault
from tests.judge.cases import FAULT, GOOD, built, fault_measure, faulted, line, slo, verdict

MIB = 1 << 20
ROOM = {"sense": Sense.FREE, "size": 64.0 * MIB, "tolerance": 1.0 * MIB}
"""64 MiB are to stay free of the 1 GB that was."""
AVAILABILITY = line(ServiceLevel(slo="availability"))
INNER = {"link": {"name": "d-s", "source": "dialogue", "target": "speech"}}
INSTANCE = {"instance": {"name": "speech-1", "service": "speech"}}


def judged(builder: RecordBuilder, folder: Path) -> Verdict:
    record = built(builder, folder)
    return verdict(record, AVAILABILITY, objectives=(slo(),), faults=("slow",))


def of_fault(folder: Path, fault: WrittenFault) -> dict[str, Any]:
    return dict(fault_measure(judged(faulted(GOOD, fault), folder)))


@pytest.mark.parametrize(
    ("change", "witnessed", "reason"),
    [
        ({}, True, ""),
        ({"measured": 0.83}, True, ""),
        ({"measured": 0.85}, False, "measured 0.85 s instead of 0.8 s ± 0.04 s"),
        ({"measured": 0.5}, False, "measured 0.5 s"),
        ({"measured": 0.3}, False, "never saw it"),
        ({"tolerance": None, "measured": 0.5}, True, ""),
        ({"sense": None}, False, "nothing witnesses it"),
        ({"samples": False}, False, "took no sample"),
        ({"appears": 20.0}, False, "never saw it"),
        ({"appears": 3.0}, True, ""),  # the median before it has risen: no difference is left
        ({"vanishes": 30.0}, False, "not seen absent after"),
        ({"vanishes": 9.0}, False, "while it should be there"),
        ({"sense": Sense.REFUSED}, True, ""),
        ({"sense": Sense.REFUSED, "appears": 6.0}, False, "before it was injected"),
        ({"sense": Sense.REFUSED, "vanishes": 11.9}, False, "while it should be there"),
        ({"sense": Sense.REFUSED, "vanishes": 14.0}, True, ""),
        ({"sense": Sense.BLACKHOLE}, True, ""),
        ({"sense": Sense.RESET}, True, ""),
        ({"sense": Sense.STOPPED}, True, ""),
        ({"sense": Sense.OBSERVED}, True, ""),
        ({"sense": Sense.STATUS, "size": 1.0, "tolerance": 0.05}, True, ""),
        ({"sense": Sense.STATUS, "size": 0.5, "tolerance": 0.05}, False, "measured 1 instead"),
        ({"sense": Sense.LOSS, "size": 0.3, "tolerance": 0.015}, True, ""),
        ({"sense": Sense.LOSS, "size": 0.3, "tolerance": 0.015, "measured": 0.1}, False, "instead"),
        ({"sense": Sense.LOSS, "size": 0.3, "tolerance": 0.015, "measured": 0.8}, False, "instead"),
        ({"sense": Sense.LOSS, "size": 0.3, "appears": 3.0}, False, "before it was injected"),
        ({"sense": Sense.LOSS, "size": 0.3, "vanishes": 14.0}, False, "after it was undone"),
        ({"sense": Sense.LOSS, "size": 0.04}, False, "before: only 70 packets were sent"),
        ({"sense": Sense.THROUGHPUT, "size": 65536.0, "tolerance": 7000.0}, True, ""),
        (
            {"sense": Sense.THROUGHPUT, "size": 65536.0, "tolerance": 7000.0, "measured": 9e4},
            False,
            "measured 90000",
        ),
        (ROOM, True, ""),
        ({**ROOM, "measured": 64 * MIB + 0.9 * MIB}, True, ""),
        ({**ROOM, "measured": 66.0 * MIB}, False, "measured 6.9206e+07 B instead of"),
        ({**ROOM, "measured": 62.0 * MIB}, False, "instead of 6.71089e+07 B ± 1.04858e+06 B"),
        ({**ROOM, "sense": Sense.SCARCE, "measured": 5.0 * MIB}, True, ""),
        ({**ROOM, "sense": Sense.SCARCE, "measured": 66.0 * MIB}, False, "instead of"),
        ({**ROOM, "measured": 900e6}, False, "never saw it"),
        ({**ROOM, "appears": 20.0}, False, "never saw it"),
        ({**ROOM, "vanishes": 9.0}, False, "while it should be there"),
        ({**ROOM, "vanishes": 30.0}, False, "not seen absent after"),
        ({**ROOM, "size": 2e9}, False, "never saw it"),  # less was free anyway
        ({"sense": Sense.FAILING, "size": None}, True, ""),
        ({"sense": Sense.FAILING, "size": None, "appears": 6.0}, False, "before it was injected"),
        ({"sense": Sense.FAILING, "size": None, "vanishes": 11.9}, False, "should be there"),
        ({"sense": Sense.FAILING, "size": None, "vanishes": 30.0}, False, "not seen absent after"),
        ({"sense": Sense.LEVEL, "size": 0.5, "tolerance": 0.03}, True, ""),
        ({"sense": Sense.LEVEL, "size": -30.0, "tolerance": 0.5}, True, ""),
        ({"sense": Sense.LEVEL, "size": -30.0, "tolerance": 0.5, "measured": 30.0}, False, "never"),
        (
            {"sense": Sense.LEVEL, "size": 0.5, "tolerance": 0.03, "measured": 0.4},
            False,
            "measured 0.4 instead of 0.5",
        ),
    ],
)
def test_a_fault_is_witnessed_absent_present_absent(
    tmp_path: Path, change: dict[str, Any], witnessed: bool, reason: str
) -> None:
    found = of_fault(tmp_path, replace(FAULT, **change))
    if change == {"appears": 3.0}:
        witnessed, reason = False, "never saw it"
    assert found["witnessed"] is witnessed, found["witness_reason"]
    assert reason in found["witness_reason"]


@pytest.mark.parametrize(
    ("rows", "witnessed", "reason"),
    [
        ("0s 7s 0.2 none\n 7s 12s 0.5 limited\n 12s 25s 0.2 none", True, ""),
        ("0s 7s 0.2 none\n 7s 12s 0.5 none\n 12s 25s 0.2 none", False, "measured 0.3 "),
        ("0s 7s 0.2 limited\n 7s 12s 0.5 none\n 12s 25s 0.2 none", False, "not seen absent before"),
        ("0s 7s 0.2 none\n 7s 12s 0.4 limited\n 12s 25s 0.2 none", False, "never saw it"),
        ("0s 7s 0.2 none\n 7s 12s 0.9 limited\n 12s 25s 0.2 none", False, "measured 0.7 "),
    ],
)
def test_a_limit_excuses_too_little_and_nothing_else(
    tmp_path: Path, rows: str, witnessed: bool, reason: str
) -> None:
    fault = replace(FAULT, sense=Sense.LEVEL, size=0.5, tolerance=0.03, samples=False)
    builder = faulted(GOOD, fault)
    lines = [line.split() for line in rows.splitlines()]
    table = [f"{begin} {end} 100ms yes {value} {word}" for begin, end, value, word in lines]
    builder.probe(fault.probe, "from to every ok value detail\n" + "\n".join(table))
    found = fault_measure(judged(builder, tmp_path))
    assert found["witnessed"] is witnessed, found["witness_reason"]
    assert reason in found["witness_reason"]


@pytest.mark.parametrize("word", ["busy", "timeout"])
def test_an_observer_that_did_not_get_to_look_says_nothing(tmp_path: Path, word: str) -> None:
    fault = replace(FAULT, sense=Sense.OBSERVED, size=None, tolerance=None, samples=False)
    builder = faulted(GOOD, fault)
    rows = f"0s 3s yes none\n3s 4s no {word}\n4s 7s yes none\n7s 12s no exit_1\n12s 25s yes none"
    lines = [line.split() for line in rows.splitlines()]
    table = [f"{begin} {end} 100ms {ok} nan {said}" for begin, end, ok, said in lines]
    builder.probe(fault.probe, "from to every ok value detail\n" + "\n".join(table))
    found = fault_measure(judged(builder, tmp_path))
    assert found["witnessed"], found["witness_reason"]


def test_the_beginning_lies_between_apply_and_the_first_sample_that_saw_it(tmp_path: Path) -> None:
    found = of_fault(tmp_path, replace(FAULT, sense=Sense.REFUSED, size=None))
    assert found["began_s"] == [5.0, 5.051]
    assert found["ended_s"] == [10.0, 10.051]
    assert found["time_to_revert_s"] == 0.01


def test_a_fault_that_appears_late_begins_late(tmp_path: Path) -> None:
    found = of_fault(tmp_path, replace(FAULT, sense=Sense.REFUSED, size=None, appears=8.0))
    assert found["began_s"] == [5.0, 6.051]
    assert found["witnessed"]


def test_the_measured_delay_is_the_difference_of_medians(tmp_path: Path) -> None:
    found = of_fault(tmp_path, replace(FAULT, measured=0.79))
    assert found["measured"] == pytest.approx(0.79, abs=1e-9)
    assert (found["requested"], found["unit"], found["tolerance"]) == (0.8, "s", 0.04)


@pytest.mark.parametrize(
    ("row", "kept"),
    [
        ("0s 25s 100ms yes 0.001 none", "unaffected"),
        (None, "unknown"),
        ("0s 7s 100ms yes 0.001 none\n 7s 25s 100ms no nan closed", "affected"),
        ("0s 7s 100ms yes 0.001 none\n 7s 25s 100ms yes 0.801 none", "affected"),
        ("0s 25s 100ms no nan busy", "unknown"),
    ],
)
def test_connections_older_than_the_fault_are_told_apart(
    tmp_path: Path, row: str | None, kept: str
) -> None:
    builder = faulted()
    _witness_of(builder)["kept"] = ["old"]
    _witness_of(builder)["probes"].append("old")
    if row:
        builder.probe("old", f"from to every ok value detail\n{row}")
    found = fault_measure(judged(builder, tmp_path))
    assert found["kept_connections"] == kept
    assert found["witnessed"]


def beside(until: str) -> str:
    """Samples of a probe that is slow from 7 s `until` a time."""
    return f"0s 7s 100ms yes 0.001\n7s {until} 100ms yes 0.801\n{until} 25s 100ms yes 0.001"


@pytest.mark.parametrize(
    ("row", "neighbours", "witnessed"),
    [
        (beside("7.1s"), "unaffected", True),
        (beside("9s"), "unaffected", True),
        (beside("12s"), "affected", False),
        (None, "unknown", True),
    ],
)
def test_neighbours_must_not_feel_it(
    tmp_path: Path, row: str | None, neighbours: str, witnessed: bool
) -> None:
    neighbour = {"sense": "delay", "probes": ["beside"], "kept": [], "expected": None}
    builder = faulted(GOOD, replace(FAULT, neighbours=[neighbour]))
    if row:
        builder.probe("beside", f"from to every ok value\n{row}")
    found = judged(builder, tmp_path)
    assert fault_measure(found)["neighbours"] == neighbours
    assert fault_measure(found)["witnessed"] is witnessed
    assert bool(found.attribution) is not witnessed


def test_two_occurrences_are_witnessed_each_on_its_own(tmp_path: Path) -> None:
    first = replace(FAULT, until=9)
    second = replace(FAULT, occurrence=2, at=12, until=14)
    found = judged(faulted(GOOD, first, second), tmp_path)
    assert [fault_measure(found, n)["witnessed"] for n in (0, 1)] == [True, True]
    assert [fault_measure(found, n)["occurrence"] for n in (0, 1)] == [1, 2]
    windows: Any = found.measures["windows"]
    whole = next(window for window in windows if window["name"] == "fault:slow")
    # First seen by the sample of 7.05 s, which would have been answered 1 ms later without it.
    assert whole["begin_s"] == pytest.approx(5.051)
    assert whole["end_s"] == pytest.approx(12.0)


@pytest.mark.parametrize(("cut_link", "witnessed"), [("d-s", True), ("d-k", False)])
def test_what_another_fault_does_to_the_same_link_is_no_relapse(
    tmp_path: Path, cut_link: str, witnessed: bool
) -> None:
    slow = replace(FAULT, until=9, samples=False, target=INNER)
    other = {"link": {**INNER["link"], "name": cut_link}}
    cut = WrittenFault(
        name="cut", kind="partition", at=12, until=17, sense=Sense.REFUSED, target=other
    )
    builder = faulted(GOOD, slow, cut)
    builder.probe(
        "witness-slow",
        """
        from  to   every  took   value
        0s    7s   100ms  1ms    0.001
        7s    9s   100ms  801ms  0.801
        9s    12s  100ms  1ms    0.001
        12s   17s  100ms  801ms  0.801
        17s   25s  100ms  1ms    0.001
        """,
    )
    found = fault_measure(judged(builder, tmp_path))
    assert found["witnessed"] is witnessed, found["witness_reason"]


def test_an_occurrence_that_was_never_undone_before_the_next_was_not_absent(tmp_path: Path) -> None:
    first = replace(FAULT, sense=Sense.REFUSED, until=9, vanishes=20)
    second = replace(FAULT, sense=Sense.REFUSED, occurrence=2, at=12, until=14)
    found = judged(faulted(GOOD, first, second), tmp_path)
    assert not fault_measure(found, 0)["witnessed"]
    assert not fault_measure(found, 1)["witnessed"]


CALLS = "at every count from to instance callee outcome\n"


@pytest.mark.parametrize(
    ("target", "calls", "exposure"),
    [
        (INNER, "8s 10ms 100 dialogue speech d-1 s-1 ok", 100),
        (INNER, "8s 10ms 100 dialogue speech d-1 s-1 rejected", 0),
        (INNER, "8s 10ms 100 dialogue cache d-1 c-1 ok", 0),
        (INNER, "3s 10ms 100 dialogue speech d-1 s-1 ok", 0),
        (INNER, None, None),
        (INSTANCE, "8s 10ms 100 dialogue speech d-1 speech-1 ok", 100),
        (INSTANCE, "8s 10ms 100 dialogue speech d-1 speech-2 ok", 0),
        ({}, "8s 10ms 100 dialogue speech d-1 s-1 ok", None),
    ],
)
def test_exposure_counts_what_crossed_while_in_force(
    tmp_path: Path, target: dict[str, Any], calls: str | None, exposure: int | None
) -> None:
    builder = faulted(GOOD, replace(FAULT, target=target))
    if calls:
        builder.calls(CALLS + calls)
    found = judged(builder, tmp_path)
    assert fault_measure(found)["exposure"] == exposure
    assert fault_measure(found)["exposure_reason"]
    assert found.outcome is (Outcome.PASS if exposure else Outcome.INCONCLUSIVE)


def test_what_the_own_probes_may_have_caused_is_no_exposure(tmp_path: Path) -> None:
    """From 7.051 s to 12 s a probe and the witness take 49 samples each."""
    for users, exposure in (("1", None), ("80", None), ("130", 32)):
        builder = faulted(GOOD, replace(FAULT, target=INNER))
        builder.probe("home", "from to every\n0s 20s 100ms")
        builder.calls(f"at every count from to parent\n7.2s 20ms {users} dialogue speech nobody")
        found = judged(builder, tmp_path / users)
        assert fault_measure(found)["exposure"] == exposure, fault_measure(found)
        assert "probes" in str(fault_measure(found)["exposure_reason"])


def test_without_calls_the_only_copy_behind_the_entry_is_met_by_every_request(
    tmp_path: Path,
) -> None:
    for copies, exposed in ((["speech-1"], True), (["speech-1", "speech-2"], False)):
        builder = faulted(GOOD, replace(FAULT, target=INSTANCE))
        lives = [{"name": name, "service": "speech"} for name in copies]
        way_in = [{"name": "in", "source": "client", "target": "speech", "entry": True}]
        builder.event(1, "target.state", when="before", instances=lives, links=way_in)
        found = fault_measure(judged(builder, tmp_path / str(len(copies))))
        assert (found["exposure"] or 0) > 0 if exposed else found["exposure"] is None


def test_an_instance_is_exposed_by_what_it_carried_just_before_the_blow(tmp_path: Path) -> None:
    kill = replace(
        FAULT, sense=Sense.GONE, size=None, lasting=True, until=None, healed=9.0, target=INSTANCE
    )
    builder = faulted(GOOD, kill)
    builder.calls(CALLS + "3s 10ms 380 dialogue speech d-1 speech-1 ok")
    found = judged(builder, tmp_path)
    assert fault_measure(found)["exposure"] > 0
    assert "counted from 5 s before it was struck" in fault_measure(found)["exposure_reason"]
    assert found.outcome is Outcome.PASS, found.sentence


@pytest.mark.parametrize(
    ("change", "healed_by"),
    [
        ({"healed": 9.0}, "system"),
        ({"until": 24.0}, "harness"),
        ({"until": 24.0, "outcome": "absent"}, "system"),
        ({}, "nobody"),
    ],
)
def test_who_healed_a_blow(tmp_path: Path, change: dict[str, Any], healed_by: str) -> None:
    kill = replace(FAULT, sense=Sense.GONE, size=None, lasting=True, until=None)
    assert of_fault(tmp_path, replace(kill, **change))["healed_by"] == healed_by


@pytest.mark.parametrize(
    ("healed", "witnessed", "healed_by", "ended"),
    [(9.2, True, "system", [6.95, 7.051]), (None, False, "", [10.0, 10.051])],
)
def test_the_system_may_put_an_early_end_to_what_an_instance_suffers(
    tmp_path: Path, healed: float | None, witnessed: bool, healed_by: str, ended: list[float]
) -> None:
    pause = replace(FAULT, sense=Sense.STOPPED, size=None, vanishes=9.0, outcome="absent")
    found = of_fault(tmp_path, replace(pause, target=INSTANCE, healed=healed))
    assert found["witnessed"] is witnessed, found["witness_reason"]
    assert found["healed_by"] == healed_by
    assert found["ended_s"] == ended


@pytest.mark.parametrize(("others", "exposure"), [([], 100), (["speech-2"], None)])
def test_calls_need_not_name_the_only_instance(
    tmp_path: Path, others: list[str], exposure: int | None
) -> None:
    builder = faulted(GOOD, replace(FAULT, target=INSTANCE))
    builder.requests("at\n8s")
    copies = [{"name": name, "service": "speech"} for name in ("speech-1", *others)]
    builder.event(1, "target.state", when="before", instances=copies)
    builder.calls("at every count from to\n8s 10ms 100 dialogue speech")
    builder._calls = [replace(call, target_instance="") for call in builder._calls]
    assert fault_measure(judged(builder, tmp_path))["exposure"] == exposure


def _witness_of(builder: RecordBuilder) -> dict[str, Any]:
    planned = next(data for _, kind, data in builder._events if kind == "effect.planned")
    witness: dict[str, Any] = planned["witness"]
    return witness


@pytest.mark.parametrize(
    ("detail", "again", "witnessed"),
    [("gone", True, True), ("gone", False, False), ("", True, False)],
)
def test_what_came_back_and_was_struck_again_was_not_seen_before_but_must_be_seen_struck(
    tmp_path: Path, detail: str, again: bool, witnessed: bool
) -> None:
    kill = replace(
        FAULT, sense=Sense.GONE, size=None, lasting=True, until=None, healed=9.0, target=INSTANCE
    )
    builder = faulted(GOOD, kill)
    witness = {"sense": "gone", "probes": ["second"]}
    plan = {"fault": "slow", "occurrence": 1, "effect": "again", "lasting": True}
    builder.event(
        9.1, "effect.planned", number=2, **plan, target=INSTANCE, witness=witness, again=again
    )
    builder.event(9.1, "effect.applying", number=2)
    builder.event(9.11, "effect.applied", number=2)
    builder.event(11, "effect.healed", number=2)
    builder.probe(
        "second", f"from to ok detail\n9.2s 25s {'no' if detail else 'yes'} {detail or '-'}"
    )
    found = fault_measure(judged(builder, tmp_path))
    assert found["witnessed"] is witnessed, found["witness_reason"]
    if witnessed:
        assert found["began_s"][1] < 6  # from the end of warm-up
        assert found["ended_s"][0] == pytest.approx(9)  # the end of the second blow, not the first


@pytest.mark.parametrize(("beside_too", "told"), [(True, "unknown"), (False, "affected")])
def test_what_another_fault_strikes_meanwhile_tells_nothing_of_this_one(
    tmp_path: Path, beside_too: bool, told: str
) -> None:
    link = {"link": {"name": "beside", "source": "a", "target": "b"}}
    neighbour = {"sense": "delay", "probes": ["beside"], "expected": None, "of": "beside"}
    builder = faulted(GOOD, replace(FAULT, neighbours=[neighbour]))
    builder.probe("beside", f"from to every ok value\n{beside('12s')}")
    if beside_too:
        plan = {"fault": "other", "occurrence": 1, "effect": "cut", "lasting": False}
        builder.event(7, "fault.injecting", fault="other", occurrence=1, inject="cut", effects=[2])
        builder.event(7, "effect.planned", number=2, **plan, target=link)
        builder.event(7, "effect.applying", number=2)
        builder.event(12, "effect.undone", number=2, outcome="reverted", by="engine")
    assert fault_measure(judged(builder, tmp_path))["neighbours"] == told


def test_every_effect_of_a_fault_has_to_be_witnessed(tmp_path: Path) -> None:
    """What one of its effects is seen to do says nothing of another that nobody watches."""
    unseen = replace(FAULT, sense=None)
    found = judged(faulted(GOOD, FAULT, unseen), tmp_path)
    fault = fault_measure(found)
    assert not fault["witnessed"]
    assert fault["witness_reason"] == "nothing witnesses latency on slow"
