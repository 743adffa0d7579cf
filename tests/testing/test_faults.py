"""The laws of faults tell what is wrong with one."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar

import pytest

from sloproof.contracts import Fault, KillMode, Kills, Pauses, Platform, Step, Where
from sloproof.model.units import Duration
from sloproof.testing import check_fault
from sloproof.testing.world import Memory, World


class Blow(Fault):
    """A copy stops, or dies."""

    needs: ClassVar[tuple[type, ...]] = (Kills, Pauses)
    points_at = "instances"

    deadly: bool = False

    def uses(self) -> tuple[type, ...]:
        return (Kills,) if self.deadly else (Pauses,)

    def plan(self, where: Where, on: Platform) -> Iterable[Step]:
        if self.deadly:
            return [on.kill(c, KillMode.CRASH, "KILL", Duration(0)) for c in where.instances]
        return [on.pause(copy) for copy in where.instances]


class Sly(Blow):
    """It says less than it does."""

    needs = (Pauses,)


class Gentle(Memory):
    """It can't kill."""

    def lacks(self, capability: type) -> str:
        return "nobody is killed here" if capability is Kills else super().lacks(capability)


@pytest.fixture
def gentle(tmp_path: Path) -> Memory:
    return Gentle(World(tmp_path / "world.json"), {"web": 1}, [])


def test_a_platform_needs_only_what_the_fields_of_a_fault_use(gentle: Memory) -> None:
    where = Where(instances=tuple(gentle.instances()))
    check_fault(Blow(), where, gentle)
    with pytest.raises(AssertionError, match=r"lacks what the fault needs: .*nobody is killed"):
        check_fault(Blow(deadly=True), where, gentle)


def test_a_fault_that_uses_more_than_it_says_it_needs_breaks_a_law(gentle: Memory) -> None:
    where = Where(instances=tuple(gentle.instances()))
    with pytest.raises(AssertionError, match=r"law of needs: .*\['Kills'\]"):
        check_fault(Sly(deadly=True), where, gentle)
