"""Calls from Envoy's access log as JSON: one for each attempt, from the router's `upstream_log`.

A line needs `kind` (`upstream`; `downstream` lines only end a request's attempts), a start
(`start_wall_ns`: `%START_TIME(%s%9f)%`, else `start`: `%START_TIME(%s.%9f)%` or Envoy's default
form), a duration (`span_us`: `%COMMON_DURATION(…:us)%`, else `duration_ms`: `%DURATION%`; what
was cut off before its end has only the second), `status`, `flags`
(`%RESPONSE_FLAGS%`), `upstream` (`%UPSTREAM_HOST%`), `request_id`; `user_agent` keeps the harness's
own requests out. Envoy 1.40 gives 0 as every upstream line's `%UPSTREAM_REQUEST_ATTEMPT_COUNT%`,
so attempts are counted here: it writes those of one request in order, and before the request's own
line. Times are of the wall clock.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from sloproof.model.target import TraceSource
from sloproof.record.schema import Call
from sloproof.run.traces.clocks import Anchor
from sloproof.run.traces.lines import Line

MILLISECOND = 1_000_000
MICROSECOND = 1_000

# https://www.envoyproxy.io/docs/envoy/v1.40.0/configuration/observability/access_log/usage
# A connection that could not be made (UF) is most often one that was refused.
_OUTCOMES = {
    "UF": "refused",
    "UT": "timeout",
    "UPE": "error",
    "UC": "reset",
    "UR": "reset",
    "LR": "reset",
    "UO": "rejected",
}


def calls(
    lines: Iterable[Line],
    source: TraceSource,
    anchor: Anchor,
    addresses: Mapping[str, tuple[str, str]],
) -> Iterator[Call]:
    """The attempts on `lines`. Raises `HarnessError` naming the line that is none."""
    attempts: Counter[str] = Counter()
    for line in lines:
        try:
            request = str(line.data.get("request_id") or "")
            if line.data["kind"] == "downstream":
                del attempts[request]
            elif line.data["kind"] == "upstream":
                attempts[request] += 1
                yield _call(line.data, source, anchor, addresses, attempts[request])
        except KeyError as error:
            raise line.error(f'not a line of this log: it has no "{error.args[0]}"') from error
        except (TypeError, ValueError) as error:
            raise line.error(f"not a line of this log: {error}") from error


def _call(
    data: Mapping[str, Any],
    source: TraceSource,
    anchor: Anchor,
    addresses: Mapping[str, tuple[str, str]],
    attempt: int,
) -> Call:
    wall_ns, resolution_ns = _start(data)
    took_ns, step_ns = _duration(data)
    sent = anchor.from_wall(wall_ns)
    status = int(data.get("status") or 0)
    service, instance = addresses.get(str(data.get("upstream")), (source.to, ""))
    return Call(
        source=source.source,
        target=service,
        source_instance="",
        target_instance=instance,
        parent=str(data.get("request_id") or ""),
        attempt=attempt,
        sent=sent,
        finished=sent + took_ns,
        status=status,
        outcome=_outcome(str(data.get("flags") or "-"), status),
        breaker="",
        origin=Path(source.file).name,
        error_ns=anchor.wall_error_ns + max(resolution_ns, step_ns),
    )


def _outcome(flags: str, status: int) -> str:
    for flag in flags.split(","):
        if flag in _OUTCOMES:
            return _OUTCOMES[flag]
    return "ok" if 0 < status < 400 else "error"


def _start(data: Mapping[str, Any]) -> tuple[int, int]:
    if "start_wall_ns" in data:
        return int(data["start_wall_ns"]), MICROSECOND
    return _time(data["start"])


def _duration(data: Mapping[str, Any]) -> tuple[int, int]:
    """How long it took, and the resolution of that."""
    span = data.get("span_us")
    if isinstance(span, (int, float)) and span >= 0:
        return round(span * MICROSECOND), MICROSECOND
    return round(float(data["duration_ms"]) * MILLISECOND), MILLISECOND


def _time(text: object) -> tuple[int, int]:
    """Nanoseconds since the epoch and their resolution; seconds with decimals, or ISO 8601."""
    words = str(text)
    digits = len(words.rstrip("Z").rpartition(".")[2]) if "." in words else 0
    resolution = 10 ** (9 - min(digits, 9))
    if "T" in words:
        moment = datetime.fromisoformat(words)
        return int(moment.timestamp()) * 10**9 + moment.microsecond * 1000, resolution
    whole, _, decimals = words.partition(".")
    return int(whole) * 10**9 + int(decimals[:9].ljust(9, "0")), resolution
