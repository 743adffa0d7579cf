"""Which faults meet nobody, because others are in force all the while."""

from __future__ import annotations

import pytest

from sloproof.contracts import Duration
from sloproof.spec.contention import _inside


@pytest.mark.parametrize(
    ("inner", "outer", "hidden"),
    [
        ([(5, 7)], [(5, 7)], True),
        ([(5, 7)], [(4, 8)], True),
        ([(5, 7), (11, 12)], [(4, 8), (10, 13)], True),
        ([(5, 9)], [(4, 8)], False),
        ([(3, 7)], [(4, 8)], False),
        # The second time it is met.
        ([(5, 7), (9, 11)], [(4, 8)], False),
        # When it comes is known only then.
        ([], [(4, 8)], False),
        ([(5, 7)], [], False),
    ],
)
def test_a_fault_is_hidden_that_lies_within_another_each_time(
    inner: list[tuple[int, int]], outer: list[tuple[int, int]], hidden: bool
) -> None:
    def spans(seconds: list[tuple[int, int]]) -> list[tuple[Duration, Duration]]:
        return [(Duration.of(begin), Duration.of(end)) for begin, end in seconds]

    assert _inside(spans(inner), spans(outer)) is hidden
