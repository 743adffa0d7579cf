"""The target as a frozen model: where it lives, how it starts, what can be seen and touched.

Addresses may contain `$(found.…)`: values that are known only once the target runs, read from the
JSON that `discover` names. They are filled in at start by `sloproof.spec`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import Field

from sloproof.model.addressing import Argv, Command, HttpCall, Late, Name, Port
from sloproof.model.stores import LedgerSpec, Store, Volume
from sloproof.model.units import Duration, Rate

Role = Literal["detected", "action", "repaired", "verified", "breaker"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Discover:
    """Where the values behind `$(found.…)` come from: a JSON file, or a command that prints it."""

    file: str | None = None
    """A JSON file that the target writes when it starts."""
    command: Argv | None = None
    """A program that prints the JSON."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """Where the load goes."""

    url: Late
    """Where the load goes, such as `http://127.0.0.1:8080`."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Headers of every request of the load."""
    ca: str | None = None
    """A file with the certificates to trust, from the project on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finder:
    """How one instance is found: exactly one of port it listens on, pid file, command line.

    `command_line` is a list of words that must all stand in the process's arguments.
    """

    name: Name
    """What this copy is called."""
    listens: Port | Late | None = None
    """The port on which it listens."""
    pid_file: str | None = None
    """A file that holds its process id."""
    command_line: tuple[str, ...] = ()
    """Words that all stand in the arguments of its process."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Labels by which `where` can select it."""
    region: str = ""
    """The region it is in, where the copies of its service are in several."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A service: its copies, its region, and how the harness restores a copy nobody healed.

    `restore` is a command in whose arguments `{instance}` stands for the copy's name.
    """

    instances: tuple[Finder, ...]
    """Its copies, and how each is found."""
    region: str = ""
    """The region it is in."""
    restore: Command | None = None
    """Brings a copy back that nobody healed; `{instance}` stands for its name."""

    def region_of(self, copy: Finder) -> str:
        """The region that one of its copies is in."""
        return copy.region or self.region


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxy:
    """A Toxiproxy on a link: the server's API, the proxy's name, a path that answers cheaply.

    `check` is the path the witness asks for through the link, `bulk` one with a large answer, by
    which throughput is measured.
    """

    server: Late
    """The API of the Toxiproxy server, such as `http://127.0.0.1:8474`."""
    name: Late
    """What the proxy of this link is called there."""
    check: str = "/"
    """A path that answers cheaply: the witness asks for it through the link."""
    bulk: str = ""
    """A path with a large answer, by which throughput is measured."""
    speaks: Literal["http", "postgresql", "redis"] = "http"
    """What is spoken on it, and so how the witness asks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetLink:
    """A link between two services, perhaps between two copies only. See `contracts.Link`."""

    source: Annotated[Name, Field(alias="from")]
    """The service that calls; one outside of the target may be named, too."""
    to: Name
    """The service that is called."""
    source_instance: str = ""
    """The copy that calls, where the link is its own."""
    target_instance: str = ""
    """The copy that is called, where the link is its own."""
    proxy: Proxy | None = None
    """The Toxiproxy on it: without one, latency, errors and cuts are not possible."""
    entry: bool = False
    """Whether every request of the load passes here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetProbe:
    """A probe of the target: its kind with its fields, how often, how long it may take."""

    name: Name
    """What objectives call it by."""
    kind: Name
    """How it asks: http, tcp, command, prometheus, …"""
    params: Mapping[str, Any]
    """The fields of that kind."""
    every: Duration = Duration(100_000_000)
    """From one sample to the next, however long an answer takes."""
    timeout: Duration = Duration(1_000_000_000)
    """How long one sample may take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceSource:
    """Where calls are read from: an Envoy access log (JSON), or JSON lines a service writes."""

    format: Literal["envoy", "json-lines"]
    """`envoy`: an access log as JSON; `json-lines`: as services write them."""
    file: Late
    """Where it is written, from the project on."""
    source: Annotated[str, Field(alias="from")] = ""
    """Who calls, where the lines don't say it."""
    to: str = ""
    """Who is called, where the lines don't say it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventSource:
    """Where the target's own events are read from, and which of them play which role.

    `roles` maps a role to the values of the event's `kind` field (`kind` may be followed by
    `=state` as in `breaker`), `clock` says what `time_ns` counts.
    """

    name: Name
    """What this source is called."""
    file: Late
    """The JSON lines that it writes, from the project on."""
    roles: Mapping[Role, tuple[str, ...]]
    """What its events mean: a role and the values of `kind` that play it."""
    clock: Literal["monotonic", "wall"] = "monotonic"
    """What its `time_ns` counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchSpec:
    """Something only the target can do: read it, set it, reset it, by HTTP or by a command.

    In `set`, the words `{NAME}` stand for the values given; `fails_requests` marks the switch the
    `http_error` fault uses, with the values `share` (0..1) and `status`; `witness` is a request
    that the switch concerns, by which its effect is seen.
    """

    service: Name
    """The service whose switch it is."""
    instance: str = ""
    """The copy whose switch it is; that of all copies if left out."""
    read: HttpCall | Command
    """Tells how it stands."""
    set: HttpCall | Command
    """Sets it; `{NAME}` in its words stands for a value that the fault gives."""
    reset: HttpCall | Command
    """Puts it back."""
    fails_requests: bool = False
    """Whether this is what the `http_error` fault uses."""
    witness: HttpCall | None = None
    """A request that the switch concerns, by which its effect is seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Allow:
    """What may be touched beyond loopback, and how hard."""

    hosts: tuple[str, ...] = ()
    """Hosts beyond loopback that may be touched."""
    max_rate: Rate | None = None
    """The highest rate of arrivals that it may be given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A target, complete but for what only its start tells. `folder` is where its paths begin."""

    name: Name
    origin: str
    folder: str
    platform: Name
    """Where it lives, and so what can be done to it."""
    entry: Entry
    """Where the load goes."""
    start: Command | None = None
    """Starts it; what sloproof started it also ends. Left out: it runs already."""
    stop: Command | None = None
    """Stops it, where ending the process of `start` is not enough."""
    discover: Discover | None = None
    """Where the values behind `$(found.…)` come from once it runs."""
    services: Mapping[str, Service] = field(default_factory=dict)
    """Its services by name, with their copies."""
    links: tuple[TargetLink, ...] = ()
    """Who calls whom."""
    probes: tuple[TargetProbe, ...] = ()
    """What is asked often and for itself: objectives of recovery read it."""
    signals: tuple[TargetProbe, ...] = ()
    """Measured values, such as memory or a queue; they are no evidence of recovery."""
    volumes: Mapping[Name, Volume] = field(default_factory=dict)
    """Its volumes that have a size of their own, by name."""
    stores: Mapping[Name, Store] = field(default_factory=dict)
    """Its data, and where the copies of them are, by name."""
    ledgers: Mapping[Name, LedgerSpec] = field(default_factory=dict)
    """How writes whose fate is known go into a store, by name."""
    traces: tuple[TraceSource, ...] = ()
    """Where the calls between services are written down."""
    events: tuple[EventSource, ...] = ()
    """Where it tells what it noticed and did."""
    switches: Mapping[str, SwitchSpec] = field(default_factory=dict)
    """What only the target itself can do, by name."""
    allow: Allow = field(default_factory=Allow)
    """What may be touched beyond loopback, and how hard."""
    arms: tuple[str, ...] = ()
    """Which faults it is prepared for since its start."""

    def regions(self) -> frozenset[str]:
        """Every region in which a copy is."""
        found = {
            service.region_of(copy)
            for service in self.services.values()
            for copy in service.instances
        }
        return frozenset(found - {""})

    def region_at(self, service: str, instance: str = "") -> str:
        """The region at an end of a link: the copy's, or that which all copies are in, else ""."""
        found = self.services.get(service)
        if found is None:
            return ""
        named = [copy for copy in found.instances if instance in ("", copy.name)]
        regions = {found.region_of(copy) for copy in named}
        return regions.pop() if len(regions) == 1 else ""
