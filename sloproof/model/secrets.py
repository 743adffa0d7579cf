"""Secrets: masked wherever something is said, and written down only as references.

A reference names the environment variable in which a run, its guardian and all that it starts
find the value. Passwords inside addresses are masked whether anybody declared them or not.
"""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any
from urllib.parse import quote, quote_plus

from sloproof.errors import HarnessError

MASK = "***"
SHORTEST_SECRET = 4
"""Shorter ones can't be masked: they stand in too many other words."""
SHORTEST_ENCODED = 8
"""Bytes from which on a secret is looked for in Base64, too: ten letters at least."""
PREFIX = "SLOPROOF_SECRET_"
_ANGLES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_QUOTES: tuple[dict[str, str], ...] = (
    {},
    {'"': "&quot;", "'": "&#x27;"},
    {'"': "&#34;", "'": "&#39;"},
)
_HTML = tuple(str.maketrans(_ANGLES | quotes) for quotes in _QUOTES)
"""How pages escape a text: without quotes, as Python's `html` does, as MarkupSafe does."""
_PASSWORD = re.compile(r"(?<=://)(?P<user>[^\s/@:\"']*):(?P<password>[^\s/@\"']+)@")
_SCHEME = re.compile(r"^[A-Za-z][A-Za-z0-9-]* +(?=\S+$)")
"""The scheme before the credentials (RFC 9110, 11.4), which is no secret."""
_TELLING = re.compile(
    r"(?i)authorization|cookie|token|secret|passw|api-?key|credential|access-?key"
)
_TELLING_PLACES = ("headers", "connectionDetails")
"""Where a key's name tells that its value is secret; the second is OpenSLO's."""


@dataclass(frozen=True, slots=True)
class Secrets:
    """The values that must not be shown, each by the environment variable that holds it."""

    values: Mapping[str, str] = field(default_factory=dict)

    def masked(self, data: Any) -> Any:
        """Plain data with `***` in place of every secret in any of its texts."""
        return _walk(data, self.mask)

    def mask(self, text: str) -> str:
        """The text with `***` in place of every secret, however it is spelt, longer ones first."""
        spelt = (each for value in self.values.values() for each in spellings(value))
        return without_password(_replaced(text, dict.fromkeys(spelt, MASK)))

    def referring(self, data: Any) -> tuple[Any, dict[str, str]]:
        """Plain data with a reference in place of every secret, and what each reference names."""
        if not self.values:
            return data, {}
        marks = {value: _mark(name, data) for name, value in self.values.items()}
        used: dict[str, str] = {}

        def refer(text: str) -> str:
            found = {value: mark for value, mark in marks.items() if value in text}
            used.update({marks[v]: n for n, v in self.values.items() if v in found})
            return _replaced(text, found)

        return _walk(data, refer), used

    def and_also(self, others: Mapping[str, str]) -> Secrets:
        """These and others; a variable that two values want gets a number behind its name."""
        found = dict(self.values)
        for name, value in others.items():
            if value in found.values():
                continue
            number, free = 1, name
            while free in found:
                number += 1
                free = f"{name}_{number}"
            found[free] = value
        return Secrets(found)

    @contextmanager
    def exported(self, environment: MutableMapping[str, str] = os.environ) -> Iterator[None]:
        """Have the environment hold them, for this process and those it starts."""
        before = {name: environment.get(name) for name in self.values}
        environment.update(self.values)
        try:
            yield
        finally:
            for name, value in before.items():
                if value is None:
                    environment.pop(name, None)
                else:
                    environment[name] = value


NO_SECRETS = Secrets()


def resolved(data: Any, references: Mapping[str, str]) -> Any:
    """`referring` undone, from the environment; raises `HarnessError` for a value not in it."""
    if not references:
        return data
    missing = sorted(name for name in references.values() if name not in os.environ)
    if missing:
        raise HarnessError(
            f"needs a secret that isn't in the environment: set {', '.join(missing)} and try again"
        )
    values = {mark: os.environ[name] for mark, name in references.items()}
    return _walk(data, lambda text: _replaced(text, values))


def known_here(references: Mapping[str, str]) -> Secrets:
    """The secrets behind references, as far as the environment has them."""
    return Secrets({n: os.environ[n] for n in references.values() if n in os.environ})


@lru_cache(maxsize=256)
def spellings(secret: str) -> tuple[str, ...]:
    """How programs write a text: as it is, and as URLs, JSON, HTML and Base64 have it.

    Base64 (RFC 4648, 4 and 5) spells a text in three ways, by its place in what is encoded with it
    (`user:password`); of each way what no neighbour has a part in. Short ones are left out: so few
    letters stand in other texts as well.
    """
    raw = secret.encode("utf-8", "surrogateescape")
    found = {secret, quote(raw), quote(raw, safe=""), quote_plus(raw)}
    found |= {json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]}
    found |= {secret.translate(each) for each in _HTML}
    if len(raw) >= SHORTEST_ENCODED:
        for before in range(3):
            bits = 8 * (before + len(raw))
            begin, end = -(-8 * before // 6), bits // 6
            for encode in (base64.b64encode, base64.urlsafe_b64encode):
                found.add(encode(bytes(before) + raw)[begin:end].decode())
    return tuple(sorted(found))


def without_password(text: str) -> str:
    """The text with `***` in place of the password in each address."""
    return _PASSWORD.sub(rf"\g<user>:{MASK}@", text) if "://" in text else text


def undeclared(data: Any, place: str = "") -> dict[str, str]:
    """What in a document is secret though nobody said so: passwords in addresses, telling headers.

    By the environment variable that is to hold each, which is called after its place.
    """
    found: dict[str, str] = {}
    if isinstance(data, Mapping):
        for key, value in data.items():
            inside = f"{place}_{key}"
            if place.endswith("_headers") and _TELLING.search(str(key)) and isinstance(value, str):
                found[_variable(inside)] = _SCHEME.sub("", value)
            else:
                found |= undeclared(value, inside)
    elif isinstance(data, list | tuple):
        for number, value in enumerate(data):
            found |= undeclared(value, f"{place}_{number}")
    elif isinstance(data, str) and "://" in data:
        for match in _PASSWORD.finditer(data):
            found[_variable(place)] = match["password"]
    return {n: v for n, v in found.items() if len(v) >= SHORTEST_SECRET and v != MASK}


def masked_places(data: Any, *, telling: bool = False) -> Any:
    """Plain data with what is `undeclared` in it masked where it stands, and nowhere else."""
    if isinstance(data, Mapping):
        return {
            key: MASK
            if telling and _TELLING.search(str(key)) and _is_open(value)
            else masked_places(value, telling=telling or key in _TELLING_PLACES)
            for key, value in data.items()
        }
    if isinstance(data, list | tuple):
        return [masked_places(value, telling=telling) for value in data]
    return without_password(data) if isinstance(data, str) else data


def _is_open(value: Any) -> bool:
    return isinstance(value, str) and MASK not in value


def variable_for(name: str) -> str:
    """The environment variable for a secret that has none of its own."""
    return _variable(name)


def _variable(place: str) -> str:
    return PREFIX + re.sub(r"[^A-Z0-9]+", "_", place.upper()).strip("_")


def _mark(name: str, data: Any) -> str:
    """A reference that stands nowhere in the data, so that it can't be taken for a text of it."""
    mark, whole = f"$(env.{name})", repr(data)
    while mark in whole:
        mark = f"${mark}"
    return mark


def _replaced(text: str, replacements: Mapping[str, str]) -> str:
    """All replacements at once, longer texts first; what came in is not looked at again."""
    wanted = sorted(filter(None, replacements), key=len, reverse=True)
    if not wanted or not any(each in text for each in wanted):
        return text
    return re.sub("|".join(map(re.escape, wanted)), lambda match: replacements[match[0]], text)


def _walk(data: Any, change: Any) -> Any:
    if isinstance(data, str):
        return change(data)
    if isinstance(data, Mapping):
        return {_walk(key, change): _walk(value, change) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [_walk(value, change) for value in data]
    return data
