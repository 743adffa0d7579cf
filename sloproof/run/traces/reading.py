"""Reading all sources of calls into one list."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sloproof.model.target import TraceSource
from sloproof.record.schema import Call
from sloproof.run.own_requests import is_own
from sloproof.run.traces import envoy, json_lines
from sloproof.run.traces.clocks import Anchor
from sloproof.run.traces.lines import Line, Lines

Addresses = Mapping[str, tuple[str, str]]
Format = Callable[[Iterable[Line], TraceSource, Anchor, Addresses], Iterator[Call]]

FORMATS: Mapping[str, Format] = {"envoy": envoy.calls, "json-lines": json_lines.calls}


@dataclass(frozen=True, slots=True)
class Missing:
    """A source that gave nothing, and why: checks that need its calls can reach no verdict."""

    source: TraceSource
    reason: str


@dataclass(frozen=True, slots=True)
class Calls:
    """What the sources gave: the calls by the time they were sent, and the sources without any."""

    rows: list[Call]
    missing: list[Missing]


def read_calls(sources: Sequence[TraceSource], anchor: Anchor, addresses: Addresses) -> Calls:
    """The calls of this run from all sources, without the harness's own.

    `addresses` tells which service and instance is reached at an address (`127.0.0.1:9001`, a
    proxy's included). Calls sent before the origin belong to earlier runs. A torn last line is
    left out. Raises `HarnessError` naming the file and line that can't be understood.
    """
    rows: list[Call] = []
    missing: list[Missing] = []
    for source in sources:
        path = Path(source.file)
        if not path.is_file():
            missing.append(Missing(source, f"there is no file {path}"))
            continue
        lines = [line for line in Lines(path).poll() if not _is_own(line)]
        found = FORMATS[source.format](lines, source, anchor, addresses)
        rows += [call for call in found if call.sent >= 0]
    return Calls(sorted(rows, key=lambda call: (call.sent, call.finished)), missing)


def _is_own(line: Line) -> bool:
    parent = str(line.data.get("request_id") or line.data.get("parent") or "")
    return is_own(line.data.get("user_agent"), parent)
