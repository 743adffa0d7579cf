"""What a database's refusals are called."""

from __future__ import annotations

import pytest

from sloproof.run.sql import psycopg, word


@pytest.mark.parametrize(
    ("said", "called"),
    [
        ("connection refused", "refused"),
        ("FATAL:  the database system is starting up", "starting"),
        ("FATAL:  the database system is not yet accepting connections", "starting"),
        ("FATAL:  the database system is shutting down", "stopping"),
        ("FATAL:  sorry, too many clients already", "full"),
        ("server closed the connection unexpectedly", "lost"),
    ],
)
def test_each_refusal_has_a_word(said: str, called: str) -> None:
    assert word(psycopg().OperationalError(said)) == called
