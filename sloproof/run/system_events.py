"""Events of the system under test, as it tells them itself: its healer's log, its breakers'.

A line is `{"kind", "instance", "time_ns", …}`; with a `state`, the event is `KIND=STATE`. `time_ns`
counts what the source's `clock` says; where that is the wall clock, a `wall_ns` goes before it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from sloproof.model.target import EventSource
from sloproof.run.traces.clocks import Anchor
from sloproof.run.traces.lines import Line, Lines

_OWN = frozenset({"kind", "state", "instance", "time_ns", "wall_ns"})


@dataclass(frozen=True, slots=True)
class SystemEvent:
    """One event: `time` in nanoseconds from the origin, give or take `error_ns`.

    `role` is what it means to the harness (`detected`, `action`, `repaired`, `verified`,
    `breaker`) or "". `detail` is what else the line said.
    """

    time: int
    source: str
    instance: str
    event: str
    role: str
    error_ns: int
    detail: Mapping[str, Any] = field(default_factory=dict)

    def data(self) -> dict[str, Any]:
        """What the record's event `system` holds."""
        return asdict(self)


class SystemEvents:
    """Reads the sources as they grow; the engine polls."""

    def __init__(self, sources: Sequence[EventSource], anchor: Anchor) -> None:
        self._sources = [(source, Lines(Path(source.file))) for source in sources]
        self._anchor = anchor

    def poll(self) -> list[SystemEvent]:
        """The events since the last call, by their times; none from before the origin.

        Raises `HarnessError` naming the file and line that is no event.
        """
        return sorted(self._new(), key=lambda event: event.time)

    def missing(self) -> list[EventSource]:
        """The sources that have no file yet."""
        return [source for source, _ in self._sources if not Path(source.file).is_file()]

    def _new(self) -> Iterator[SystemEvent]:
        for source, lines in self._sources:
            for line in lines.poll():
                try:
                    event = self._event(source, line)
                except (KeyError, TypeError, ValueError) as error:
                    raise line.error(f"not an event: {error!r}") from error
                if event.time >= 0:
                    yield event

    def _event(self, source: EventSource, line: Line) -> SystemEvent:
        data = line.data
        kind = str(data["kind"])
        event = f"{kind}={data['state']}" if "state" in data else kind
        time, error_ns = self._time(source, line)
        return SystemEvent(
            time=time,
            source=source.name,
            instance=str(data.get("instance", "")),
            event=event,
            role=_role(source, kind, event),
            error_ns=error_ns,
            detail={name: value for name, value in data.items() if name not in _OWN},
        )

    def _time(self, source: EventSource, line: Line) -> tuple[int, int]:
        if source.clock == "monotonic":
            return self._anchor.from_monotonic(int(line.data["time_ns"])), 0
        wall_ns = int(line.data["wall_ns" if "wall_ns" in line.data else "time_ns"])
        return self._anchor.from_wall(wall_ns), self._anchor.wall_error_ns


def _role(source: EventSource, kind: str, event: str) -> str:
    for role, events in source.roles.items():
        if kind in events or event in events:
            return role
    return ""
