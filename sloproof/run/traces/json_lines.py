"""Calls that a service writes itself, one JSON object a line.

`{"from", "to", "instance", "to_instance", "upstream", "parent", "attempt", "sent_ns",
"finished_ns", "status", "outcome", "breaker"}`: `upstream` is the address that was called. Times
are of CLOCK_MONOTONIC on the harness's own host, so without error; `sent_ns` and `finished_ns` are
required, the rest may be left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from sloproof.model.target import TraceSource
from sloproof.record.schema import Call
from sloproof.run.traces.clocks import Anchor
from sloproof.run.traces.lines import Line

OUTCOMES = frozenset({"ok", "error", "timeout", "refused", "reset", "rejected"})


def calls(
    lines: Iterable[Line],
    source: TraceSource,
    anchor: Anchor,
    addresses: Mapping[str, tuple[str, str]],
) -> Iterator[Call]:
    """The calls on `lines`. Raises `HarnessError` naming the line that is none."""
    for line in lines:
        try:
            yield _call(line, source, anchor, addresses)
        except KeyError as error:
            raise line.error(f'not a call: it has no "{error.args[0]}"') from error
        except (TypeError, ValueError) as error:
            raise line.error(f"not a call: {error}") from error


def _call(
    line: Line, source: TraceSource, anchor: Anchor, addresses: Mapping[str, tuple[str, str]]
) -> Call:
    data = line.data
    to = str(data.get("to", source.to))
    service, instance = addresses.get(str(data.get("upstream")), (to, ""))
    outcome = data.get("outcome", "ok" if 0 < int(data.get("status", 0)) < 400 else "error")
    if outcome not in OUTCOMES:
        raise ValueError(f"outcome {outcome!r} is none of {', '.join(sorted(OUTCOMES))}")
    return Call(
        source=str(data.get("from", source.source)),
        target=service,
        source_instance=str(data.get("instance", "")),
        target_instance=str(data.get("to_instance", instance)),
        parent=str(data.get("parent", "")),
        attempt=int(data.get("attempt", 1)),
        sent=anchor.from_monotonic(int(data["sent_ns"])),
        finished=anchor.from_monotonic(int(data["finished_ns"])),
        status=int(data.get("status", 0)),
        outcome=outcome,
        breaker=str(data.get("breaker", "")),
        origin=Path(source.file).name,
        error_ns=0,
    )
