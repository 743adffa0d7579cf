"""Which requests an indicator counts, and which of these are good."""

from __future__ import annotations

from sloproof.judge.requests import Sort
from sloproof.record.schema import RequestOutcome
from sloproof.spec.objectives import Matcher


def counts(matcher: Matcher, sort: Sort) -> bool:
    """Whether requests of this sort match, their latency aside."""
    kind = sort.kind
    if matcher.within is not None and not sort.answered:
        return False
    return (
        matcher.method in ("", kind.method)
        and matcher.name in ("", kind.name)
        and matcher.profile in ("", kind.profile)
        and (not matcher.path or path_matches(matcher.path, kind.path))
        and (not matcher.status or any(status_matches(want, sort) for want in matcher.status))
    )


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


def path_matches(pattern: str, path: str) -> bool:
    """Segment by segment; `*` stands for any one. What follows a `?` is no part of the path."""
    wanted, found = pattern.split("/"), path.partition("?")[0].split("/")
    return len(wanted) == len(found) and all(
        want in ("*", have) for want, have in zip(wanted, found, strict=True)
    )


def status_matches(wanted: str, sort: Sort) -> bool:
    """`404` or a class such as `4xx`; a request without an answer has no status."""
    if sort.status <= 0:
        return False
    if wanted.lower().endswith("xx"):
        return wanted[:1] == str(sort.status)[:1]
    return wanted == str(sort.status)
