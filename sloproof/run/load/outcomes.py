"""What an exception says about a request: which outcome, in which words."""

from __future__ import annotations

from collections.abc import Iterator

from sloproof.record.schema import RequestOutcome

_DEEPEST = 12


def outcome_of(exception: BaseException | None) -> RequestOutcome:
    """OK without an exception, TIMEOUT where one of its causes is a time-out, else ERROR."""
    if exception is None:
        return RequestOutcome.OK
    timed_out = any(_is_timeout(cause) for cause in _causes(exception))
    return RequestOutcome.TIMEOUT if timed_out else RequestOutcome.ERROR


def words_of(exception: BaseException, status: int = 0) -> str:
    """The error in words: `HTTP 503` for a bad status, a failure's own text, or its first cause."""
    if outcome_of(exception) is RequestOutcome.TIMEOUT:
        return "timed out"
    name = type(exception).__name__
    if name in {"CatchResponseError", "ResponseError"}:
        return str(exception)
    if status >= 400:
        return f"HTTP {status}"
    *_, cause = _causes(exception)
    if isinstance(cause, OSError) and cause.strerror:
        return f"{type(cause).__name__}: {cause.strerror}"
    return f"{type(cause).__name__}: {cause}"


def _is_timeout(exception: BaseException) -> bool:
    # By name: this module is also imported where neither requests nor gevent may be.
    names = {kind.__name__ for kind in type(exception).__mro__}
    # urllib3 derives a refused connection from its time-out of connecting.
    refused = "NewConnectionError" in names
    return not refused and not names.isdisjoint({"TimeoutError", "Timeout"})


def _causes(exception: BaseException) -> Iterator[BaseException]:
    """The exception and what brought it about, as far as each one tells, outermost first.

    `original` is where geventhttpclient keeps the cause of an exhausted retry.
    """
    cause: object = exception
    for _ in range(_DEEPEST):
        if not isinstance(cause, BaseException):
            return
        yield cause
        inner = getattr(cause, "original", None) or cause.__cause__ or cause.__context__
        inside = [arg for arg in cause.args if isinstance(arg, BaseException)]
        cause = inner or (inside[0] if inside else None)
