"""Which requests an indicator counts, and which of these are good."""

from __future__ import annotations

from sloproof.judge.requests import Sort
from sloproof.record.schema import RequestOutcome
from sloproof.spec.matching import kind_matches, status_matches
from sloproof.spec.objectives import Matcher


def counts(matcher: Matcher, sort: Sort) -> bool:
    """Whether requests of this sort match, their latency aside."""
    if matcher.within is not None and not sort.answered:
        return False
    return kind_matches(matcher, sort.kind) and status_matches(matcher, sort.status)


def is_good(matcher: Matcher, sort: Sort) -> bool:
    """Whether requests of this sort are good, their latency aside.

    What the profile itself called a failure is good only where the matcher asks for its very
    status (a 404 that is right); an answer without an error status that failed stays bad.
    """
    if not counts(matcher, sort) or not sort.answered:
        return False
    if sort.outcome is RequestOutcome.OK:
        return True
    return sort.status >= 400 and bool(matcher.status)
