from __future__ import annotations

import pytest

from sloproof.record.schema import RequestOutcome
from sloproof.run.load.naming import normalised_error, path_pattern, request_name
from sloproof.run.load.outcomes import outcome_of, words_of

UUID = "123e4567-e89b-12d3-a456-426614174000"


@pytest.mark.parametrize(
    ("url", "pattern"),
    [
        ("/", "/"),
        ("", "/"),
        ("http://h:8080", "/"),
        ("http://h:8080/sessions?x=1#y", "/sessions"),
        ("/sessions/42/turns?page=3", "/sessions/*/turns"),
        (f"/sessions/{UUID}/turns", "/sessions/*/turns"),
        ("/sessions/01HZX3V7K2QF/turns", "/sessions/*/turns"),
        ("/a/short1", "/a/short1"),
        ("/a/internationalisation", "/a/internationalisation"),
        ("/v1/items/", "/v1/items/"),
        ("items/7", "/items/*"),
    ],
)
def test_identifiers_in_a_path_become_stars(url: str, pattern: str) -> None:
    assert path_pattern(url) == pattern


@pytest.mark.parametrize(
    ("name", "url", "expected"),
    [
        ("/sessions/[id]/turns", f"/sessions/{UUID}/turns", "/sessions/[id]/turns"),
        ("buy", "/items/7", "buy"),
        ("/items/7", "/items/7", "/items/*"),
        ("/items/7?x=1", "http://h/items/7?x=1", "/items/*"),
    ],
)
def test_a_name_stays_as_given_and_a_url_is_no_name(name: str, url: str, expected: str) -> None:
    assert request_name(name, url) == expected


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (f"no session {UUID}", "no session 123e4567-e89b-12d3-a456-426614174999"),
        ("connect to 10.0.0.1:8080 failed", "connect to 10.0.0.2:9090 failed"),
        ("URL http://h/a: broken", "URL http://h/b: broken"),
        ("object at 0x7f001", "object at 0x7f002"),
        ("request 123456 lost", "request 987654 lost"),
    ],
)
def test_errors_that_differ_only_in_what_is_unique_are_one(one: str, other: str) -> None:
    assert normalised_error(one) == normalised_error(other)


def test_a_time_out_is_found_behind_what_wraps_it() -> None:
    outer = ConnectionError("retries exceeded")
    outer.__cause__ = TimeoutError("timed out")
    assert outcome_of(outer) is RequestOutcome.TIMEOUT
    assert words_of(outer) == "timed out"


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (
            ConnectionRefusedError(111, "Connection refused"),
            0,
            "ConnectionRefusedError: Connection refused",
        ),
        (ValueError("x"), 503, "HTTP 503"),
        (KeyError("id"), 200, "KeyError: 'id'"),
    ],
)
def test_an_error_is_told_in_words(error: Exception, status: int, words: str) -> None:
    assert outcome_of(error) is RequestOutcome.ERROR
    assert words_of(error, status) == words


def test_no_exception_is_no_error() -> None:
    assert outcome_of(None) is RequestOutcome.OK
