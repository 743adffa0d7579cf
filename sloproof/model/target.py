"""The target as a frozen model: where it lives, how it starts, what can be seen and touched.

Addresses may contain `$(found.…)`: values that are known only once the target runs, read from the
JSON that `discover` names. They are filled in at start by `sloproof.spec`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import Field

from sloproof.model.units import Duration, Rate

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$")]
Argv = Annotated[tuple[str, ...], Field(min_length=1)]
Role = Literal["detected", "action", "repaired", "verified", "breaker"]
Port = Annotated[int, Field(ge=1, le=65535)]
Late = str
"""Text that may hold `$(found.…)` until the target runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A program with its arguments (never a shell's line) and its own time-out."""

    command: Argv
    within: Duration = Duration(30_000_000_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Discover:
    """Where the values behind `$(found.…)` come from: a JSON file, or a command that prints it."""

    file: str | None = None
    command: Argv | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """Where the load goes."""

    url: Late
    headers: Mapping[str, str] = field(default_factory=dict)
    ca: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finder:
    """How one instance is found: exactly one of port it listens on, pid file, command line.

    `command_line` is a list of words that must all stand in the process's arguments.
    """

    name: Name
    listens: Port | Late | None = None
    pid_file: str | None = None
    command_line: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A service: its copies, its region, and how the harness restores a copy nobody healed.

    `restore` is a command in whose arguments `{instance}` stands for the copy's name.
    """

    instances: tuple[Finder, ...]
    region: str = ""
    restore: Command | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxy:
    """A Toxiproxy on a link: the server's API, the proxy's name, a path that answers cheaply.

    `check` is the path the witness asks for through the link, `bulk` one with a large answer, by
    which throughput is measured.
    """

    server: Late
    name: Late
    check: str = "/"
    bulk: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetLink:
    """A link between two services, perhaps between two copies only. See `contracts.Link`."""

    source: Annotated[Name, Field(alias="from")]
    to: Name
    source_instance: str = ""
    target_instance: str = ""
    proxy: Proxy | None = None
    entry: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetProbe:
    """A probe of the target: its kind with its fields, how often, how long it may take."""

    name: Name
    kind: Name
    params: Mapping[str, Any]
    every: Duration = Duration(100_000_000)
    timeout: Duration = Duration(1_000_000_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceSource:
    """Where calls are read from: an Envoy access log (JSON), or JSON lines a service writes."""

    format: Literal["envoy", "json-lines"]
    file: Late
    source: Annotated[str, Field(alias="from")] = ""
    to: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventSource:
    """Where the target's own events are read from, and which of them play which role.

    `roles` maps a role to the values of the event's `kind` field (`kind` may be followed by
    `=state` as in `breaker`), `clock` says what `time_ns` counts.
    """

    name: Name
    file: Late
    roles: Mapping[Role, tuple[str, ...]]
    clock: Literal["monotonic", "wall"] = "monotonic"


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpCall:
    """One HTTP request as data."""

    method: Literal["GET", "PUT", "POST", "DELETE", "PATCH"]
    url: Late
    json: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchSpec:
    """Something only the target can do: read it, set it, reset it, by HTTP or by a command.

    In `set`, the words `{NAME}` stand for the values given; `fails_requests` marks the switch the
    `http_error` fault uses, with the values `share` (0..1) and `status`; `witness` is a request
    that the switch concerns, by which its effect is seen.
    """

    service: Name
    instance: str = ""
    read: HttpCall | Command
    set: HttpCall | Command
    reset: HttpCall | Command
    fails_requests: bool = False
    witness: HttpCall | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Allow:
    """What may be touched beyond loopback, and how hard."""

    hosts: tuple[str, ...] = ()
    max_rate: Rate | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A target, complete but for what only its start tells. `folder` is where its paths begin."""

    name: Name
    origin: str
    folder: str
    platform: Name
    entry: Entry
    start: Command | None = None
    stop: Command | None = None
    discover: Discover | None = None
    services: Mapping[str, Service] = field(default_factory=dict)
    links: tuple[TargetLink, ...] = ()
    probes: tuple[TargetProbe, ...] = ()
    signals: tuple[TargetProbe, ...] = ()
    traces: tuple[TraceSource, ...] = ()
    events: tuple[EventSource, ...] = ()
    switches: Mapping[str, SwitchSpec] = field(default_factory=dict)
    allow: Allow = field(default_factory=Allow)
    arms: tuple[str, ...] = ()
