"""Stores and ledgers of a target: whatever can't be meant is said before a write is made."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import parse_qs, unquote, urlsplit

from sloproof.contracts import Duration
from sloproof.model.addressing import HttpCall
from sloproof.model.stores import LedgerSpec
from sloproof.model.target import Target
from sloproof.spec.experiment import Experiment
from sloproof.spec.places import Place, Problems, suggestion

_SCHEMES = ("postgresql", "postgres")
_POSTGRES = 5432
_TRY = "try postgresql://user@127.0.0.1:5432/name"
_ELSEWHERE = ("service", "servicefile", "passfile")
"""Parameters by which libpq would read from other files whom to ask and how."""
_SECRET = ("password", "sslpassword")
_PLACEHOLDER = re.compile(r"%(?:%|\((\w*)\)s)?")
_OF_A_WRITE = ("id", "run", "sequence")


def wrong_with(dsn: str) -> str:
    """Why this is no address of a database that could be used, or "". Quotes nothing of it."""
    no_address = f"is not the address of a database ({_TRY})"
    try:
        parts = urlsplit(dsn)
        query = parse_qs(parts.query, strict_parsing=bool(parts.query))
    except ValueError:
        return no_address
    if parts.scheme not in _SCHEMES:
        return no_address
    ports = [port for _, port in _ends(parts.netloc)]
    if any(port and not (port.isdecimal() and 0 < int(port) < 65536) for port in ports):
        return f"has a port that is none ({_TRY})"
    for name in query:
        if name in _SECRET:
            return f"a {name} among the parameters can't be masked (try user:password@host)"
        if name in _ELSEWHERE:
            return f'"{name}" says somewhere else whom to ask: name the hosts here ({_TRY})'
    return ""


def hosts_of(dsn: str) -> list[str]:
    """Every host that a DSN leads to; none for sockets of this machine."""
    parts = urlsplit(dsn)
    query = parse_qs(parts.query)
    named = [host for host, _ in _ends(parts.netloc)]
    for name in ("host", "hostaddr"):
        named += [host for value in query.get(name, []) for host in value.split(",")]
    return [host for host in map(unquote, named) if host and not host.startswith(("/", "@"))]


def ends_of(dsn: str) -> list[tuple[str, int]]:
    """Host and port of every server that a DSN leads to; a folder of sockets is a host, too."""
    parts = urlsplit(dsn)
    query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    named = [(unquote(host), port) for host, port in _ends(parts.netloc) if host]
    for name in ("host", "hostaddr"):
        named += [(host, query.get("port", "")) for host in query.get(name, "").split(",") if host]
    return [(host, int(port) if port.isdecimal() else _POSTGRES) for host, port in named]


def _ends(netloc: str) -> list[tuple[str, str]]:
    """Host and port of each of several places, `[::1]:5432` included."""
    found = []
    for place in netloc.rpartition("@")[2].split(","):
        bracketed = re.fullmatch(r"\[([^\]]*)\](?::(.*))?", place)
        host, port = (bracketed[1], bracketed[2] or "") if bracketed else _split(place)
        found.append((host, port))
    return found


def _split(place: str) -> tuple[str, str]:
    host, _, port = place.partition(":")
    return host, port


def dsns(target: Target) -> Iterator[tuple[Place, str]]:
    """Where each copy of a store answers, and where ledgers write by SQL."""
    for name, store in target.stores.items():
        for n, copy in enumerate(store.copies):
            yield ("spec", "stores", name, "copies", n, "dsn"), copy.dsn
    for name, ledger in target.ledgers.items():
        if ledger.sql is not None:
            yield ("spec", "ledgers", name, "sql", "dsn"), ledger.sql.dsn


def addresses(target: Target) -> Iterator[tuple[Place, str]]:
    """Where ledgers write by HTTP."""
    for name, ledger in target.ledgers.items():
        if ledger.http is not None:
            yield ("spec", "ledgers", name, "http", "url"), ledger.http.url


def check_stores(target: Target, problems: Problems) -> None:
    """Note each store and each ledger that can't be meant."""
    copies = {copy.name for each in target.services.values() for copy in each.instances}
    for name, store in target.stores.items():
        place: Place = ("spec", "stores", name, "copies")
        if not store.copies:
            problems.add(place, "needs at least one")
        seen: set[str] = set()
        for n, copy in enumerate(store.copies):
            inside = (*place, n, "instance")
            if copy.instance not in copies:
                hint = suggestion(copy.instance, copies)
                problems.add(inside, f'no instance is called "{copy.instance}"{hint}')
            if copy.instance in seen:
                problems.add(inside, f"{copy.instance} keeps a copy of it already")
            seen.add(copy.instance)
    for name, ledger in target.ledgers.items():
        _check_ledger(ledger, ("spec", "ledgers", name), target, problems)


def _check_ledger(ledger: LedgerSpec, place: Place, target: Target, problems: Problems) -> None:
    if ledger.store not in target.stores:
        hint = suggestion(ledger.store, target.stores)
        problems.add((*place, "store"), f'no store is called "{ledger.store}"{hint}')
    if (ledger.http is None) == (ledger.sql is None):
        problems.add(place, "needs exactly one of http and sql")
    if ledger.timeout <= Duration(0):
        problems.add((*place, "timeout"), "must be longer than nothing")
    if ledger.http is not None and "{id}" not in _all_text(ledger.http):
        message = "has {id} neither in its address nor in its body: which write it was is lost"
        problems.add((*place, "http"), message)
    if ledger.sql is not None:
        inside = (*place, "sql", "statement")
        _check_sql(ledger.sql.statement, _OF_A_WRITE, "id", inside, problems)
    _check_sql(ledger.read, ("run",), "run", (*place, "read"), problems)


def _check_sql(
    text: str, known: tuple[str, ...], needed: str, place: Place, problems: Problems
) -> None:
    """Its placeholders: those that are known, the one that it can't do without among them."""
    found = [(match[0], match[1]) for match in _PLACEHOLDER.finditer(text)]
    for whole, name in found:
        if whole == "%":
            problems.add(place, "a plain % is written %%")
        elif whole != "%%" and name not in known:
            hint = suggestion(name, known)
            problems.add(place, f'nothing takes the place of "{whole}"{hint}')
    if needed not in {name for _, name in found}:
        problems.add(place, f"needs the placeholder %({needed})s")


def _all_text(call: HttpCall) -> str:
    return f"{call.url} {call.json}"


def check_ledger(experiment: Experiment, target: Target, problems: Problems) -> None:
    """Note a ledger that the target doesn't have, or that writes more than it may."""
    ledger = experiment.ledger
    if ledger is None:
        return
    if ledger.name not in target.ledgers:
        hint = suggestion(ledger.name, target.ledgers)
        message = f'target {target.name} has no ledger "{ledger.name}"{hint}'
        problems.add(("spec", "ledger", "name"), message)
    elif ledger.restore is not None and target.ledgers[ledger.name].restore is None:
        message = f"ledger {ledger.name} of target {target.name} has no command `restore`"
        problems.add(("spec", "ledger", "restore"), message)
    place: Place = ("spec", "ledger", "rate")
    most = target.allow.max_rate
    if ledger.rate.per_second <= 0:
        problems.add(place, "must be more than nothing")
    elif most is not None and ledger.rate > most:
        problems.add(place, f"{ledger.rate} is more than target {target.name} allows ({most})")
