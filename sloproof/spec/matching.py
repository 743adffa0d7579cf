"""Which requests a matcher means, by what they are and by their status."""

from __future__ import annotations

from sloproof.record.schema import RequestKind
from sloproof.spec.objectives import Matcher


def kind_matches(matcher: Matcher, kind: RequestKind) -> bool:
    """Whether requests of this kind match, their answer aside."""
    return (
        matcher.method in ("", kind.method)
        and matcher.name in ("", kind.name)
        and matcher.profile in ("", kind.profile)
        and (not matcher.path or path_matches(matcher.path, kind.path))
    )


def status_matches(matcher: Matcher, status: int) -> bool:
    """Whether an answer's status is one of those wanted; 0 is no answer and matches none."""
    return not matcher.status or any(_is(status, wanted) for wanted in matcher.status)


def path_matches(pattern: str, path: str) -> bool:
    """Segment by segment; `*` stands for any one. What follows a `?` is no part of the path."""
    wanted, found = pattern.split("/"), path.partition("?")[0].split("/")
    return len(wanted) == len(found) and all(
        want in ("*", have) for want, have in zip(wanted, found, strict=True)
    )


def _is(status: int, wanted: str) -> bool:
    if wanted.lower().endswith("xx"):
        return status > 0 and wanted[:1] == str(status)[:1]
    return wanted == str(status)
