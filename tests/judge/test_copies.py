"""Copies before and after: who is missing, who was replaced, and who accounts for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sloproof.contracts import Outcome, Sense
from sloproof.judge.checks.recovery import RecoveryTime
from sloproof.judge.checks.slo import ServiceLevel
from sloproof.judge.copies import Copies, unaccounted
from sloproof.testing.record import RecordBuilder, WrittenFault
from tests.judge.cases import GOOD, built, faulted, line, recovery_objective, slo, verdict

PASS, INCONCLUSIVE = Outcome.PASS, Outcome.INCONCLUSIVE
WEB_1 = {"instance": {"name": "web-1", "service": "web"}}
KILL = WrittenFault(
    name="slow", at=7, kind="pod_kill", sense=Sense.GONE, lasting=True, healed=9.0, target=WEB_1
)


def copies(*words: str) -> list[dict[str, str]]:
    """`web-1` is the copy web-1 of web in its first life, `web-1/2` in its second."""
    found = []
    for word in words:
        name, _, life = word.partition("/")
        service = name.partition("-")[0]
        found.append({"name": name, "service": service, "incarnation": life or "1"})
    return found


def record(folder: Path, before: str, after: str | None, *told: str, **fault: Any) -> Any:
    builder = faulted(GOOD, *([WrittenFault(**fault)] if fault else []))
    state(builder, before, after)
    for name in told:
        builder.system(9, "repaired", instance=name, source="healer")
    return built(builder, folder)


def state(builder: RecordBuilder, before: str, after: str | None) -> None:
    builder.event(1, "target.state", when="before", instances=copies(*before.split()))
    if after is not None:
        builder.event(24, "target.state", when="after", instances=copies(*after.split()))


@pytest.mark.parametrize(
    ("before", "after", "missing", "replaced"),
    [
        ("web-1 web-2", "web-1 web-2", (), ()),
        ("web-1 web-2", "web-1", ("web-2",), ()),
        ("web-1 web-2", "web-1 web-2/2", (), ("web-2",)),
        ("web-1 web-2", "web-1 web-x", (), ("web-2",)),  # as a scheduler replaces
        ("web-1", "web-1 web-2", (), ()),  # as it scales out
        ("web-1 db-1", "web-1 web-2", ("db-1",), ()),  # of another service, it is no successor
        ("web-1", None, (), ()),  # nobody looked
        ("", "web-1", (), ()),
    ],
)
def test_who_is_missing_and_who_was_replaced(
    tmp_path: Path, before: str, after: str | None, missing: tuple[str, ...], replaced: Any
) -> None:
    found = Copies.of(record(tmp_path, before, after))
    assert (found.missing(), found.replaced()) == (missing, replaced)


def test_a_life_that_the_platform_does_not_know_was_not_replaced(tmp_path: Path) -> None:
    builder = faulted()
    unknown = [{"name": "web-1", "service": "web", "incarnation": ""}]
    builder.event(1, "target.state", when="before", instances=unknown)
    builder.event(24, "target.state", when="after", instances=copies("web-1/7"))
    assert Copies.of(built(builder, tmp_path)).replaced() == ()


@pytest.mark.parametrize(
    ("told", "target", "strangers"),
    [
        ((), None, ("web-1",)),
        (("web-1",), None, ()),  # its healer says so
        (("web-2",), None, ("web-1",)),  # of another copy
        ((), WEB_1, ()),  # our fault struck it
    ],
)
def test_who_was_struck_or_told_of_was_not_restarted_by_a_stranger(
    tmp_path: Path, told: tuple[str, ...], target: Any, strangers: tuple[str, ...]
) -> None:
    fault = {"name": "slow", "at": 7, "until": 12, "size": 0.8}
    found = record(
        tmp_path, "web-1", "web-1/2", *told, **fault, **({"target": target} if target else {})
    )
    assert unaccounted(found) == strangers


@pytest.mark.parametrize(
    ("after", "outcome", "words"),
    [
        ("web-1/2 web-2", PASS, ""),
        ("web-1/2", INCONCLUSIVE, "web-2 was not brought back by the system"),
        ("web-1/2 web-2/2", INCONCLUSIVE, "web-2 lives another life"),
    ],
)
def test_recovered_means_that_every_copy_is_back(
    tmp_path: Path, after: str, outcome: Outcome, words: str
) -> None:
    builder = faulted(GOOD, KILL)
    builder.probe("gate", "from to\n0s 26s")
    builder.calls("at every count from to callee\n3s 10ms 600 gate web web-1")
    state(builder, "web-1 web-2", after)
    lines = (line(RecoveryTime(objective="back")),)
    found = verdict(
        built(builder, tmp_path), *lines, objectives=(recovery_objective(),), faults=("slow",)
    )
    assert found.outcome is outcome, found.sentence
    assert words in found.claims[0].finding.reason


def test_what_was_missed_stays_missed_whoever_restarted_a_copy(tmp_path: Path) -> None:
    builder = faulted("at every count outcome status\n0s 10ms 2500 error 503")
    state(builder, "web-1", "web-1/2")
    only = line(ServiceLevel(slo="availability"))
    found = verdict(built(builder, tmp_path), only, objectives=(slo(),), faults=("slow",))
    [claim] = found.claims
    assert claim.finding.outcome is Outcome.FAIL
    assert claim.unattributed
