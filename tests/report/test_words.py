from __future__ import annotations

import math
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sloproof.model.verdict import Claim, Finding, Number, Outcome
from sloproof.report import words
from tests.report.sample import parse_xml


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0 s"),
        (0.00042, "0.42 ms"),
        (0.812, "812 ms"),
        (3.2149, "3.21 s"),
        (12.0, "12 s"),
        (125, "2 min 5 s"),
        (7200, "2 h"),
        (-5, "-5 s"),
        (math.inf, "∞"),
    ],
)
def test_seconds_are_spelled_in_the_unit_that_fits(value: float, text: str) -> None:
    assert words.seconds(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(1, "100%"), (0, "0%"), (0.5, "50%"), (0.99987, "99.987%"), (0.031, "3.1%")],
)
def test_ratios_are_spelled_in_per_cent(value: float, text: str) -> None:
    assert words.ratio(value) == text


@given(st.floats(0, 1, exclude_max=True, exclude_min=True))
def test_only_one_is_spelled_as_a_hundred_per_cent(value: float) -> None:
    if 1e-9 < value < 1 - 1e-9:
        assert words.ratio(value) not in {"100%", "0%"}


def claim(*numbers: Number) -> Claim:
    return Claim("slo:a", "slo", "run", Finding(Outcome.FAIL, "", numbers))


@pytest.mark.parametrize(
    ("seen", "asked"), [(0.99899996, 0.999), (0.9990001, 0.999), (0.98456, 0.9846)]
)
def test_a_missed_target_never_looks_met(seen: float, asked: float) -> None:
    number, target = Number("good", seen, "ratio"), Number("target", asked, "ratio")
    extra = words.apart(((target,), number))
    assert words.number(number, extra) != words.number(target, extra)


FAILED_OVER = (
    Number("failover", None, "s", low=30, limits=("at most",)),
    Number("at most", 10, "s"),
    Number("two primaries", 0, "s", limits=("limit of two primaries",)),
    Number("limit of two primaries", 0, "s"),
)
SHIFTED = (
    Number("to a before", 1, "ratio"),
    Number("to b after", 0.93, "ratio", limits=("at least", "within")),
    Number("at least", 0.9, "ratio"),
    Number("within", 3, "s"),
)
NOT_READ = (Number("rpo", None, "s", limits=("rpo target",)), Number("rpo target", 1, "s"))


@pytest.mark.parametrize(
    ("numbers", "rows"),
    [
        (FAILED_OVER, [("≤ 10 s", "over 30 s"), ("≤ 0 s", "0 s")]),
        (SHIFTED, [("≥ 90% within 3 s", "93%")]),
        (NOT_READ, [("≤ 1 s", "–")]),
        ((Number("lag", 1, "s", limits=("nowhere",)),), []),
        ((Number("openings", 2, "count"), Number("at most", 1, "count")), []),
        ((), []),
    ],
)
def test_a_measurement_stands_beside_what_it_names_as_its_limit(
    numbers: tuple[Number, ...], rows: list[tuple[str, str]]
) -> None:
    found = words.pairs(claim(*numbers))
    assert [(words.required(asked), words.number(seen)) for asked, seen in found] == rows


@pytest.mark.parametrize(
    ("numbers", "seen"), [(SHIFTED, "to b after"), ((Number("openings", 2),), "openings")]
)
def test_one_measurement_stands_for_a_claim(numbers: tuple[Number, ...], seen: str) -> None:
    pair = words.asked_and_measured(claim(*numbers))
    assert pair is not None
    assert pair[1].name == seen
    assert words.asked_and_measured(claim()) is None


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (Number("p99", None, "s"), "–"),
        (Number("p99", None, "s", low=5), "over 5 s"),
        (Number("p99", None, "s", low=0), "–"),
        (Number("p99", math.inf, "s"), "∞"),
        (Number("size", 1536, "B"), "1.5 KiB"),
        (Number("requests", 12840, "count"), "12,840"),
        (Number("rate", 99.5, "/s"), "99.5/s"),
        (Number("share", 3, "fish"), "3 fish"),
    ],
)
def test_a_number_is_spelled_in_its_unit(number: Number, text: str) -> None:
    assert words.number(number) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (Number("target", 0.99, "ratio"), "≥ 99%"),
        (Number("at most", 0.05, "ratio"), "≤ 5%"),
        (Number("rto target", 5, "s"), "≤ 5 s"),
        (Number("limit", 0.5, "s"), "≤ 500 ms"),
        (Number("failure threshold", 5, "count"), "5"),
    ],
)
def test_a_requirement_says_on_which_side_it_is_met(number: Number, text: str) -> None:
    assert words.required((number,)) == text


@pytest.mark.parametrize(
    ("begin", "end", "text"),
    [
        (10.0, 10.82, "10.00 s to 10.82 s"),
        (6.6866, 6.6902, "6.6866 s to 6.6902 s"),
        (19.19911, 19.19986, "19.1991 s to 19.1999 s"),
        (3.0, 3.0, "3 s"),
    ],
)
def test_two_moments_never_look_the_same(begin: float, end: float, text: str) -> None:
    assert words.moments(begin, end) == text


@given(st.text(st.characters(exclude_categories=[])))
def test_clean_text_may_stand_in_xml(text: str) -> None:
    element = ET.Element("a", b=words.clean(text))
    element.text = words.clean(text)
    parsed = parse_xml(ET.tostring(element, encoding="unicode"))
    assert (parsed.text or "").split() == words.clean(text).split()


@pytest.mark.parametrize("sign", ["\u202e", "\x1b", "\x9b", "\x00", "\ud800", "\uffff"])
def test_text_carries_no_orders_for_terminals_or_readers(sign: str) -> None:
    assert words.clean(f"a{sign}b") == "a\ufffdb"
