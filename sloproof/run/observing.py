"""What the system under test tells of itself, read from the sources its target file names."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from sloproof.effects.toxiproxy import Server
from sloproof.errors import EffectError
from sloproof.model.clock import Clock, wall_minus_monotonic
from sloproof.model.target import Target
from sloproof.record.schema import Call
from sloproof.run.system_events import SystemEvent, SystemEvents
from sloproof.run.traces import Anchor, read_calls


class TargetObserver:
    """Reads events as they come and calls at the end. `wall_at_origin` anchors wall clocks."""

    def __init__(self, clock: Clock, wall_at_origin: int) -> None:
        self._clock = clock
        self._wall = wall_at_origin
        self._target: Target | None = None
        self._events: SystemEvents | None = None
        self._anchor: Callable[[], Anchor] = lambda: Anchor(0, wall_at_origin, 0)

    def prepare(self, target: Target, origin: int) -> None:
        """Learn where to read: what the target names begins in its own folder."""
        self._target = target = _rooted(target)

        def anchor() -> Anchor:
            drift = wall_minus_monotonic(self._clock) - (self._wall - origin)
            return Anchor(origin, self._wall, drift)

        self._anchor = anchor
        self._events = SystemEvents(target.events, anchor())

    def events(self) -> Sequence[SystemEvent]:
        """The events that came since the last call."""
        return self._events.poll() if self._events else ()

    def sources(self) -> Sequence[tuple[str, str, bool]]:
        """The files of events and of calls, and whether they are there."""
        if self._target is None:
            return ()
        told = [("system-events", one.name, one.file) for one in self._target.events]
        traced = [("calls", Path(one.file).name, one.file) for one in self._target.traces]
        return [(of, name, Path(file).is_file()) for of, name, file in told + traced]

    def calls(self) -> Sequence[Call] | None:
        """All calls of the run; None where the target declares no source or none was there."""
        if self._target is None or not self._target.traces:
            return None
        found = read_calls(self._target.traces, self._anchor(), _addresses(self._target))
        copies = _only_copies(self._target)
        rows = [_named(call, copies) for call in found.rows]
        return rows if rows or not found.missing else None


def _rooted(target: Target) -> Target:
    """The target with whole paths to its traces and events."""
    here = Path(target.folder)
    return replace(
        target,
        events=tuple(replace(each, file=str(here / each.file)) for each in target.events),
        traces=tuple(replace(each, file=str(here / each.file)) for each in target.traces),
    )


def _only_copies(target: Target) -> Mapping[str, str]:
    """The one copy of each service that has just one."""
    services = target.services.items()
    return {name: one.instances[0].name for name, one in services if len(one.instances) == 1}


def _named(call: Call, copies: Mapping[str, str]) -> Call:
    """A call whose source names no copy went to the only one there is."""
    if call.target_instance or call.target not in copies:
        return call
    return replace(call, target_instance=copies[call.target])


def _addresses(target: Target) -> Mapping[str, tuple[str, str]]:
    """Which copy stands behind each `host:port` that a caller may write down."""
    found: dict[str, tuple[str, str]] = {}
    for name, service in target.services.items():
        for copy in service.instances:
            if copy.listens is not None:
                found[f"127.0.0.1:{copy.listens}"] = (name, copy.name)
    for link in target.links:
        if link.proxy is not None:
            try:
                listen = Server(link.proxy.server).state(link.proxy.name)["listen"]
            except EffectError:
                continue  # a proxy that is gone by now leaves its calls without a copy's name
            found[str(listen)] = (link.to, link.target_instance)
    return found
