"""Which requests an indicator counts, and which of these are good."""

from __future__ import annotations

import pytest

from sloproof.judge.matching import counts, is_good
from sloproof.judge.requests import Sort
from sloproof.record.schema import RequestKind, RequestOutcome
from sloproof.spec.matching import path_matches
from sloproof.spec.objectives import Matcher


def sort(status: int, outcome: RequestOutcome, path: str = "/sessions/*/turns") -> Sort:
    return Sort(RequestKind("talk", "turn", "POST", path), status, outcome)


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        ("/sessions/*/turns", "/sessions/*/turns", True),
        ("/sessions/*/turns", "/sessions/7/turns", True),
        ("/sessions/*", "/sessions/7/turns", False),
        ("/*/*", "/a/b", True),
        ("/a", "/a?x=1", True),
        ("/a", "/b", False),
        ("/", "/", True),
    ],
)
def test_paths_match_segment_by_segment(pattern: str, path: str, matches: bool) -> None:
    assert path_matches(pattern, path) is matches


@pytest.mark.parametrize(
    ("matcher", "matches"),
    [
        (Matcher(), True),
        (Matcher(method="POST"), True),
        (Matcher(method="GET"), False),
        (Matcher(name="turn", profile="talk"), True),
        (Matcher(profile="other"), False),
        (Matcher(status=("2xx", "404")), True),
        (Matcher(status=("5xx",)), False),
        (Matcher(status=("201",)), False),
    ],
)
def test_empty_fields_match_all(matcher: Matcher, matches: bool) -> None:
    assert counts(matcher, sort(200, RequestOutcome.OK)) is matches


@pytest.mark.parametrize(
    ("matcher", "status", "outcome", "good"),
    [
        (Matcher(), 200, RequestOutcome.OK, True),
        (Matcher(), 503, RequestOutcome.ERROR, False),
        (Matcher(), 0, RequestOutcome.TIMEOUT, False),
        (Matcher(status=("404",)), 404, RequestOutcome.ERROR, True),
        (Matcher(status=("2xx",)), 200, RequestOutcome.ERROR, False),
        (Matcher(status=("2xx",)), 0, RequestOutcome.NO_SLOT, False),
    ],
)
def test_a_failure_is_good_only_where_its_status_is_asked_for(
    matcher: Matcher, status: int, outcome: RequestOutcome, good: bool
) -> None:
    assert is_good(matcher, sort(status, outcome)) is good
