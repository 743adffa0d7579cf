"""Words for people come out as they are."""

from __future__ import annotations

import io

import pytest

from sloproof.doors.ending import show


@pytest.mark.parametrize(
    "words", ["✓ PASS  recovery:back: it was", "[faults] 5s left", ":warning:"]
)
def test_nothing_in_a_name_is_taken_for_markup_or_a_picture(words: str) -> None:
    stream = io.StringIO()
    show(words, stream)
    assert stream.getvalue() == f"{words}\n"
