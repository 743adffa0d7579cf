"""Bad input is refused: exit status 2, a line for each mistake, and nothing was touched."""

from __future__ import annotations

import pytest

from tests.refusals.conftest import Scene
from tests.refusals.tables import CASES, Case, cases

ALL = [
    pytest.param(case, id=f"{table.stem}: {case.name}")
    for table in sorted(CASES.glob("*.txt"))
    for case in cases(table.stem)
]


@pytest.mark.parametrize("case", ALL)
def test_it_is_refused_and_nothing_was_touched(scene: Scene, case: Case) -> None:
    for change in case.changes:
        change.make(scene.root)
    assert scene.refused(*case.words(scene.root)) == case.said


def test_every_mistake_is_told_apart() -> None:
    assert len({param.id for param in ALL}) == len(ALL)
    assert len(ALL) > 60, "the issue asks for sixty at least"
