"""Targets: from a document to a checked model."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from sloproof.contracts import Duration, Probe
from sloproof.extensions import Extensions
from sloproof.model.addressing import HttpCall
from sloproof.model.secrets import without_password
from sloproof.model.target import Finder, Target, TargetProbe
from sloproof.spec.envelope import open_envelope
from sloproof.spec.places import Place, Problems, field_of, suggestion
from sloproof.spec.shapes import keys_of, validated
from sloproof.spec.stores import addresses, check_stores, dsns, hosts_of, wrong_with
from sloproof.spec.variables import is_late

KIND = "Target"
_OURS = ("name", "origin", "folder")
_TRY = "try http://127.0.0.1:8080"
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""A header's name: a token of RFC 9110, 5.6.2."""
_SHORTEST_INTERVAL = Duration(10_000_000)


def build_target(problems: Problems, folder: str) -> Target | None:
    """The target of a document whose variables are replaced, or None after noting why not."""
    metadata, spec = open_envelope(problems, KIND)
    if metadata is None or not spec:
        return None
    for key in _OURS:
        if key in spec:
            problems.add(("spec", key), f'unknown key "{key}"')
    own = {"name": metadata.name, "origin": problems.document.file, "folder": folder}
    return validated(Target, {**spec, **own}, ("spec",), problems)


def check_target(target: Target, extensions: Extensions, problems: Problems) -> None:
    """Note everything about a target that can't be meant."""
    if target.platform not in extensions.platforms:
        hint = suggestion(target.platform, extensions.platforms)
        problems.add(("spec", "platform"), f'unknown platform "{target.platform}"{hint}')
    if target.platform == "external":
        for key in ("start", "stop"):
            if getattr(target, key) is not None:
                problems.add(("spec", key), "an external target is never started or stopped")
    elif target.stop is not None and target.start is None:
        problems.add(("spec", "stop"), "what isn't started isn't stopped: there is no start")
    _check_services(target, problems)
    check_ports(target, problems)
    _check_links(target, problems)
    _check_volumes(target, problems)
    _check_switches(target, problems)
    _check_probes(target, extensions, problems)
    check_stores(target, problems)
    _check_sources(target, problems)
    _check_discovery(target, problems)
    check_hosts(target, problems)
    _check_commands(target, problems)
    _check_entry(target, problems)


def check_hosts(target: Target, problems: Problems) -> None:
    """Nothing beyond loopback is touched unless `allow.hosts` names it."""
    for place, url in _addresses(target):
        if is_late(url):
            continue
        try:
            parts = urlsplit(url)
            host, _port = parts.hostname, parts.port
        except ValueError:
            host, parts = None, urlsplit("")
        if parts.scheme not in ("http", "https") or not host:
            problems.add(place, f'"{without_password(url)}" is not an address ({_TRY})')
        else:
            _check_host(host, place, target, problems)
    for place, host in _probed_hosts(target):
        if not is_late(host):
            _check_host(host, place, target, problems)
    for place, dsn in _dsns(target):
        if not is_late(dsn):
            _check_dsn(dsn, place, target, problems)


def _check_dsn(dsn: str, place: Place, target: Target, problems: Problems) -> None:
    if wrong := wrong_with(dsn):
        problems.add(place, wrong)
        return
    for host in hosts_of(dsn):
        _check_host(host, place, target, problems)


def _check_host(host: str, place: Place, target: Target, problems: Problems) -> None:
    if not _is_loopback(host) and host not in target.allow.hosts:
        message = f"{host} is not on this host: name it under allow.hosts if it may be touched"
        problems.add(place, message)


def check_ports(target: Target, problems: Problems) -> None:
    """A port is a number, unless it is not known yet."""
    for place, copy in _copies(target):
        if isinstance(copy.listens, str) and not is_late(copy.listens):
            problems.add((*place, "listens"), f'"{copy.listens}" is not a port')


def _addresses(target: Target) -> Iterator[tuple[Place, str]]:
    yield ("spec", "entry", "url"), target.entry.url
    for n, link in enumerate(target.links):
        if link.proxy is not None:
            yield ("spec", "links", n, "proxy", "server"), link.proxy.server
    for name, switch in target.switches.items():
        calls = {"read": switch.read, "set": switch.set, "reset": switch.reset}
        for key, call in {**calls, "witness": switch.witness}.items():
            if isinstance(call, HttpCall):
                yield ("spec", "switches", name, key, "url"), call.url
    yield from addresses(target)


def _probed_hosts(target: Target) -> Iterator[tuple[Place, str]]:
    """The hosts that probes and signals ask: those they name, and those of their addresses."""
    for group, probes in (("probes", target.probes), ("signals", target.signals)):
        for n, probe in enumerate(probes):
            for key, value in probe.params.items():
                place: Place = ("spec", group, n, "params", key)
                if key == "dsn":
                    continue  # several hosts may stand in it
                if key == "host" and isinstance(value, str):
                    yield place, value
                elif isinstance(value, str) and "://" in value and not is_late(value):
                    yield place, _host_of(value)


def _dsns(target: Target) -> Iterator[tuple[Place, str]]:
    """The databases that stores, ledgers and probes name."""
    yield from dsns(target)
    for group, probes in (("probes", target.probes), ("signals", target.signals)):
        for n, probe in enumerate(probes):
            dsn = probe.params.get("dsn")
            if isinstance(dsn, str):
                yield ("spec", group, n, "params", "dsn"), dsn


def _host_of(url: str) -> str:
    try:
        return urlsplit(url).hostname or url
    except ValueError:
        return url


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _check_commands(target: Target, problems: Problems) -> None:
    for key, command in (("start", target.start), ("stop", target.stop)):
        if command is not None and command.within <= Duration(0):
            problems.add(("spec", key, "within"), "must be longer than nothing")


def _check_entry(target: Target, problems: Problems) -> None:
    for name, value in target.entry.headers.items():
        place: Place = ("spec", "entry", "headers", name)
        if not _HEADER.fullmatch(name):
            problems.add(place, f'"{name}" is not the name of a header (try x-api-key)')
        if not value.isprintable():
            problems.add(place, "a header is one line of text without control characters")
    ca = target.entry.ca
    if ca is not None and not Path(target.folder, ca).is_file():
        problems.add(("spec", "entry", "ca"), f"there is no file {ca} in {target.folder}")


def _copies(target: Target) -> Iterator[tuple[Place, Finder]]:
    for name, service in target.services.items():
        for n, copy in enumerate(service.instances):
            yield ("spec", "services", name, "instances", n), copy


def _check_services(target: Target, problems: Problems) -> None:
    names = Counter(copy.name for _, copy in _copies(target))
    for place, copy in _copies(target):
        if names[copy.name] > 1:
            problems.add((*place, "name"), f'{names[copy.name]} instances are called "{copy.name}"')
        ways = [copy.listens is not None, copy.pid_file is not None, bool(copy.command_line)]
        if target.platform == "local" and sum(ways) != 1:
            problems.add(place, "needs exactly one of listens, pid_file and command_line")
    for name, service in target.services.items():
        if not service.instances:
            problems.add(("spec", "services", name, "instances"), "needs at least one")


def _check_links(target: Target, problems: Problems) -> None:
    copies = {copy.name for _, copy in _copies(target)}
    seen: set[tuple[str, str, str, str]] = set()
    for n, link in enumerate(target.links):
        place: Place = ("spec", "links", n)
        if link.to not in target.services:
            hint = suggestion(link.to, target.services)
            problems.add((*place, "to"), f'no service is called "{link.to}"{hint}')
        for key, copy in (
            ("source_instance", link.source_instance),
            ("target_instance", link.target_instance),
        ):
            if copy and copy not in copies:
                hint = suggestion(copy, copies)
                problems.add((*place, key), f'no instance is called "{copy}"{hint}')
        identity = (link.source, link.to, link.source_instance, link.target_instance)
        if identity in seen:
            problems.add(place, "stands twice: from and to are those of a link before")
        seen.add(identity)


def _check_volumes(target: Target, problems: Problems) -> None:
    copies = {copy.name for _, copy in _copies(target)}
    for name, volume in target.volumes.items():
        place: Place = ("spec", "volumes", name)
        if not volume.path:
            problems.add((*place, "path"), "is empty")
        if volume.budget is not None and volume.budget.bytes == 0:
            problems.add((*place, "budget"), "holds nothing: leave it out for a mount of its own")
        for key, named in (("instance", volume.instance), ("keeps", volume.keeps)):
            if named and named not in copies:
                hint = suggestion(named, copies)
                problems.add((*place, key), f'no instance is called "{named}"{hint}')


def _check_switches(target: Target, problems: Problems) -> None:
    copies = {copy.name for _, copy in _copies(target)}
    for name, switch in target.switches.items():
        place: Place = ("spec", "switches", name)
        if switch.service not in target.services:
            hint = suggestion(switch.service, target.services)
            problems.add((*place, "service"), f'no service is called "{switch.service}"{hint}')
        if switch.instance and switch.instance not in copies:
            hint = suggestion(switch.instance, copies)
            problems.add((*place, "instance"), f'no instance is called "{switch.instance}"{hint}')


def _check_probes(target: Target, extensions: Extensions, problems: Problems) -> None:
    seen: set[str] = set()
    for group, probes in (("probes", target.probes), ("signals", target.signals)):
        for n, probe in enumerate(probes):
            place: Place = ("spec", group, n)
            if probe.name in seen:
                problems.add((*place, "name"), f'two probes or signals are called "{probe.name}"')
            seen.add(probe.name)
            _check_probe(probe, extensions, place, problems)


def _check_probe(
    probe: TargetProbe, extensions: Extensions, place: Place, problems: Problems
) -> None:
    if probe.kind not in extensions.probes:
        hint = suggestion(probe.kind, extensions.probes)
        problems.add((*place, "kind"), f'unknown probe "{probe.kind}"{hint}')
    else:
        _check_params(probe, extensions.probes[probe.kind], (*place, "params"), problems)
    if probe.every < _SHORTEST_INTERVAL:
        problems.add((*place, "every"), f"must be at least {_SHORTEST_INTERVAL}")
    if probe.timeout <= Duration(0):
        problems.add((*place, "timeout"), "must be longer than nothing")


def _check_params(probe: TargetProbe, shape: type[Probe], place: Place, problems: Problems) -> None:
    """What stands there already must fit; what is found later is checked when it is filled in."""
    later = {key for key, value in probe.params.items() if any(map(is_late, _words(value)))}
    now = {key: value for key, value in probe.params.items() if key not in later}
    known = keys_of(shape)
    for key in later - set(known):
        problems.add((*place, key), f'unknown key "{key}"{suggestion(key, known)}')
    noted = Problems(problems.document)
    validated(shape, now, place, noted)
    awaited = {field_of((*place, key)) for key in later}
    problems.found.extend(each for each in noted.found if each.field not in awaited)


def _words(data: object) -> list[str]:
    return [text for _, text in _texts(data, ())]


def _check_sources(target: Target, problems: Problems) -> None:
    seen: set[str] = set()
    for n, source in enumerate(target.events):
        if source.name in seen:
            problems.add(("spec", "events", n, "name"), f'two are called "{source.name}"')
        seen.add(source.name)
    for n, trace in enumerate(target.traces):
        if trace.format == "envoy" and not (trace.source and trace.to):
            problems.add(("spec", "traces", n), "an Envoy log doesn't name its link: give from, to")


def _check_discovery(target: Target, problems: Problems) -> None:
    discover = target.discover
    if discover is not None:
        if (discover.file is None) == (discover.command is None):
            problems.add(("spec", "discover"), "needs exactly one of file and command")
        return
    for place, text in _texts(problems.document.data, ()):
        if is_late(text):
            problems.add(place, "uses $(found.…), but there is no discover")


def _texts(data: object, place: Place) -> Iterator[tuple[Place, str]]:
    if isinstance(data, dict):
        for key, value in data.items():
            yield from _texts(value, (*place, key))
    elif isinstance(data, list):
        for n, value in enumerate(data):
            yield from _texts(value, (*place, n))
    elif isinstance(data, str):
        yield place, data
