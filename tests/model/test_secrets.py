"""Secrets are masked in whatever is said, and come back from references unchanged."""

from __future__ import annotations

import base64
import html
import json
import os
from typing import Any
from urllib.parse import quote, quote_plus

import markupsafe
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from sloproof.errors import HarnessError
from sloproof.model.secrets import (
    NO_SECRETS,
    PREFIX,
    SHORTEST_SECRET,
    Secrets,
    known_here,
    resolved,
    undeclared,
    without_password,
)

VALUES = st.text(st.characters(exclude_categories=["Cs"]), min_size=SHORTEST_SECRET, max_size=9)
PLAIN = st.characters(min_codepoint=33, max_codepoint=126)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@st.composite
def documents(draw: st.DrawFn) -> tuple[Secrets, Any]:
    """Secrets, and plain data with them in it."""
    values = draw(st.lists(VALUES, min_size=1, max_size=3, unique=True))
    pieces = st.one_of(TEXTS, st.sampled_from(values), st.sampled_from(["$(env.S0)", "***"]))
    texts = st.lists(pieces, max_size=4).map("".join)
    data = st.recursive(
        st.one_of(texts, st.integers(), st.none(), st.booleans()),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
        max_leaves=8,
    )
    return Secrets({f"S{n}": value for n, value in enumerate(values)}), draw(data)


@given(documents())
def test_what_is_referred_to_comes_back_unchanged(given: tuple[Secrets, Any]) -> None:
    secrets, data = given
    assume(not any("\0" in value for value in secrets.values.values()))  # no environment holds one
    hidden, references = secrets.referring(data)
    with secrets.exported():
        assert resolved(json.loads(json.dumps(hidden)), references) == data


@given(documents())
def test_what_is_masked_holds_no_secret(given: tuple[Secrets, Any]) -> None:
    secrets, data = given
    marks = ("***", "$(env.S0)", "$(env.S1)", "$(env.S2)")
    values = secrets.values.values()
    assume(not any(v in mark or mark in v for v in values for mark in marks))
    assume(not any(v in str(other) for v in values for other in (None, True, False)))
    assert not any(v in text for v in values for text in _texts(secrets.masked(data)) if _apart(v))


def _texts(data: Any) -> list[str]:
    if isinstance(data, dict):
        return [text for pair in data.items() for part in pair for text in _texts(part)]
    if isinstance(data, list):
        return [text for part in data for text in _texts(part)]
    return [data] if isinstance(data, str) else []


def _apart(value: str) -> bool:
    """Whether a mask and its surroundings can't make up the value by chance."""
    return "*" not in value


RAW = "pä&ss/w\"o rd+'7<"


@pytest.mark.parametrize(
    "spelt",
    [
        RAW,
        quote(RAW),
        quote(RAW, safe=""),
        quote_plus(RAW),
        json.dumps(RAW)[1:-1],
        json.dumps(RAW, ensure_ascii=False)[1:-1],
        html.escape(RAW),
        html.escape(RAW, quote=False),
        str(markupsafe.escape(RAW)),
    ],
)
def test_a_secret_is_masked_however_it_is_spelt(spelt: str) -> None:
    assert Secrets({"WORD": RAW}).mask(f"<{spelt}>") == "<***>"


@given(st.binary(max_size=5), st.text(PLAIN, min_size=8, max_size=24), st.binary(max_size=5))
def test_a_secret_is_masked_inside_what_is_encoded_with_it(
    before: bytes, secret: str, after: bytes
) -> None:
    """Such as `user:password` in a header; at most a letter at each end is shared with others."""
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        whole = encode(before + secret.encode() + after).decode()
        masked = Secrets({"WORD": secret}).mask(whole)
        assert "***" in masked
        assert len(masked) <= len(whole) - (len(secret) * 8 // 6 - 1) + len("***")


def test_the_environment_is_as_before_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONE", "before")
    with Secrets({"ONE": "within", "TWO": "within"}).exported():
        assert (os.environ["ONE"], os.environ["TWO"]) == ("within", "within")
    assert os.environ["ONE"] == "before"
    assert "TWO" not in os.environ


def test_a_secret_that_is_not_there_is_asked_for() -> None:
    with pytest.raises(HarnessError, match="set NOT_THERE and try again"):
        resolved("x", {"$(env.NOT_THERE)": "NOT_THERE"})
    assert known_here({"$(env.NOT_THERE)": "NOT_THERE"}) == NO_SECRETS


def test_two_values_never_share_a_variable() -> None:
    both = Secrets({"TOKEN": "first"}).and_also({"TOKEN": "second", "OTHER": "first"})
    assert both.values == {"TOKEN": "first", "TOKEN_2": "second"}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://me:word@host/path", "http://me:***@host/path"),
        ("postgres://me:w:o:r:d@host", "postgres://me:***@host"),
        ("redis://:word@host", "redis://:***@host"),
        ("see http://a:bcde@b and ftp://c:defg@d", "see http://a:***@b and ftp://c:***@d"),
        ("http://host:8080/a@b", "http://host:8080/a@b"),
        ("http://me@host", "http://me@host"),
        ("at 10:20@home", "at 10:20@home"),
    ],
)
def test_a_password_in_an_address_is_masked(text: str, shown: str) -> None:
    assert without_password(text) == shown


def test_what_nobody_declared_is_found_by_where_it_stands() -> None:
    data = {
        "entry": {"headers": {"Authorization": "Bearer abcdef", "accept": "text/html"}},
        "probes": [{"params": {"url": "http://me:word@host", "headers": {"X-Api-Key": "12345"}}}],
    }
    assert undeclared(data) == {
        f"{PREFIX}ENTRY_HEADERS_AUTHORIZATION": "abcdef",
        f"{PREFIX}PROBES_0_PARAMS_URL": "word",
        f"{PREFIX}PROBES_0_PARAMS_HEADERS_X_API_KEY": "12345",
    }
