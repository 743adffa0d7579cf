"""Variables: `$(name)` in any value, with secrets masked wherever they are shown."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sloproof.model.secrets import MASK, SHORTEST_SECRET, variable_for
from sloproof.spec.places import Document, Place, Problems, suggestion
from sloproof.spec.scalars import Scalar, read_plain

BUILT_IN = frozenset({"python", "project"})
_USE = re.compile(r"\$(\$?)\(([^()]*)\)")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_FOUND = "found."


@dataclass(frozen=True, slots=True)
class Variables:
    """What each variable stands for, which were used, and which have no value.

    `secret` has the environment variable that holds each secret one, `failed` those that have no
    value.
    """

    values: Mapping[str, Scalar]
    secret: Mapping[str, str] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)
    failed: frozenset[str] = frozenset()

    def plain(self) -> dict[str, str]:
        """Those that people declared and that are no secrets, as `--set` would give them."""
        return {
            name: str(value).lower() if isinstance(value, bool) else str(value)
            for name, value in self.values.items()
            if name not in BUILT_IN and name not in self.secret and name not in self.failed
        }

    @property
    def secrets(self) -> dict[str, str]:
        """The secrets' values by environment variable, to be masked wherever they are written."""
        return {holder: str(self.values[name]) for name, holder in self.secret.items()}

    @property
    def declared(self) -> frozenset[str]:
        """The names that the document declares, which `--set` may give."""
        return frozenset(self.values) - BUILT_IN

    def masked(self) -> Variables:
        """The same with `***` in place of each secret."""
        values = {n: MASK if n in self.secret else value for n, value in self.values.items()}
        return replace(self, values=values)


@dataclass(frozen=True, slots=True)
class Values:
    """Where variables get their values from: what was `given` by `--set`, and the environment.

    `later` says that values which are nowhere yet may still come, so that they are no problem.
    """

    given: Mapping[str, str]
    environment: Mapping[str, str]
    later: bool = False


def filled(
    document: Document, project: Path, values: Values, *, late: bool
) -> tuple[Problems, Variables]:
    """The document with its variables replaced, what was wrong with them, and the variables.

    `late` lets `$(found.…)` stand until the target runs.
    """
    problems = Problems(document)
    variables = read_variables(problems, project, values)
    document = substitute(problems, variables, late=late)
    return replace(problems, document=document), variables


def refuse_typed(problems: Problems, read: Callable[[Problems], object]) -> None:
    """Note each secret that stands where `read` expects more than any text.

    Its mask would break the record.
    """
    masked = Problems(replace(problems.document, data=problems.document.shown))
    read(masked)
    for place in masked.places - problems.unknown:
        problems.add(place, "a secret can stand only where any text may stand")


def read_variables(problems: Problems, project: Path, values: Values) -> Variables:
    """The document's `spec.variables` with their values, and the built-in ones."""
    found: dict[str, Scalar] = {"python": sys.executable, "project": str(project)}
    secret: dict[str, str] = {}
    failed: set[str] = set()
    for name, written in _declared(problems).items():
        place = ("spec", "variables", name)
        if not _NAME.fullmatch(name) or name in BUILT_IN or name == "found":
            problems.add(place, f'"{name}" can\'t be the name of a variable')
            continue
        form = _Form.of(written, place, problems)
        found[name] = value = form.value(values, place, problems)
        if value is None and form.env:
            failed.add(name)
            found[name] = ""
        elif form.secret:
            found[name] = _text(value)
            _refuse_short(_text(value), place, problems)
            own = form.env if name not in values.given else ""
            secret[name] = own or variable_for(name)
        if problems.within(place):
            failed.add(name)
    return Variables(found, secret, failed=frozenset(failed))


def _refuse_short(secret: str, place: Place, problems: Problems) -> None:
    if len(secret) < SHORTEST_SECRET:
        problems.add(place, f"a secret of less than {SHORTEST_SECRET} letters can't be masked")


def _declared(problems: Problems) -> Mapping[str, Any]:
    data = problems.document.data
    spec = data.get("spec") if isinstance(data, dict) else None
    declared = spec.get("variables") if isinstance(spec, dict) else None
    if declared is None:
        return {}
    if not isinstance(declared, dict):
        problems.add(("spec", "variables"), "expected a mapping of names to values")
        return {}
    return declared


@dataclass(frozen=True, slots=True)
class _Form:
    """One variable as it was declared: a default, or the name of an environment variable."""

    default: Scalar = None
    env: str = ""
    secret: bool = False

    @classmethod
    def of(cls, written: Any, place: Place, problems: Problems) -> _Form:
        misread = problems.document.misread.get(place)
        if misread is not None:
            problems.add(place, str(misread))
        lossy = problems.document.lossy.get(place)
        if lossy:
            problems.add(place, f'YAML reads {lossy} as {written}: quote it: "{lossy}"')
        if not isinstance(written, dict | list) and written is not None:
            return cls(written)
        written = written if isinstance(written, dict) else {}
        keys = set(written)
        for unknown in sorted(keys - {"value", "env", "secret"}):
            known = ("value", "env", "secret")
            problems.add((*place, unknown), f'unknown key "{unknown}"{suggestion(unknown, known)}')
        if len(keys & {"value", "env"}) != 1:
            problems.add(place, "expected a value, or {env: NAME}, or {value: …, secret: true}")
            return cls("")
        value, env, secret = written.get("value"), written.get("env", ""), written.get("secret")
        if not isinstance(env, str) or isinstance(value, dict | list):
            problems.add(place, "expected plain values under env and value")
            return cls("")
        if secret not in (None, True, False):
            problems.add((*place, "secret"), "expected true or false")
        return cls(value, env, secret is True)

    def value(self, values: Values, place: Place, problems: Problems) -> Scalar:
        """Its value; None where the environment has none, which is noted unless it may come."""
        name = str(place[-1])
        given = values.given.get(name)
        if given is not None:
            typed = self.default is not None and not isinstance(self.default, str)
            return read_plain(given) if typed else given
        if not self.env:
            return self.default
        if self.env not in values.environment and not values.later:
            message = f"the environment has no {self.env}: set it, or give --set {name}=…"
            problems.add(place, message)
        return values.environment.get(self.env)


def substitute(problems: Problems, variables: Variables, *, late: bool) -> Document:
    """The document without `spec.variables` and with every variable replaced.

    `late` lets `$(found.…)` stand until the target runs; elsewhere it is a problem.
    """

    def value_of(name: str) -> Scalar:
        variables.used.add(name)
        return variables.values[name]

    def check(name: str, place: Place) -> bool:
        if name.startswith(_FOUND):
            if not late:
                problems.add(place, f"$({name}) is known only in a target's file")
            return False
        if name not in variables.values:
            hint = suggestion(name, variables.values)
            problems.add(place, f'unknown variable "{name}"{hint} (a plain $( is written $$( )')
            return False
        if name in variables.failed:
            problems.places.add(place)
            problems.unknown.add(place)  # said already, where the variable is declared
        return True

    document = problems.document
    data = _without_variables(document.data)
    masked = variables.masked().values
    meant = _walk(data, (), value_of, check)
    shown = _walk(data, (), masked.__getitem__, check) if variables.secret else meant
    return replace(document, data=meant, shown=shown)


def fill(data: Any, found: Mapping[str, Any], missing: Callable[[str, Place], None]) -> Any:
    """`data` with each `$(found.…)` replaced; calls `missing` for what was not found."""

    def known(name: str, place: Place) -> bool:
        if not name.startswith(_FOUND):
            return False
        value = _look_up(found, name)
        if value is None or isinstance(value, dict | list):
            missing(name, place)
            return False
        return True

    return _walk(data, (), lambda name: _look_up(found, name), known)


def is_late(text: object) -> bool:
    """Whether a value is known only once the target runs."""
    return isinstance(text, str) and f"$({_FOUND}" in text


def _look_up(found: Any, name: str) -> Any:
    for part in name.removeprefix(_FOUND).split("."):
        if isinstance(found, dict):
            found = found.get(part)
        elif isinstance(found, list) and part.isdecimal() and int(part) < len(found):
            found = found[int(part)]
        else:
            return None
    return found


def _without_variables(data: Any) -> Any:
    if isinstance(data, dict) and isinstance(data.get("spec"), dict):
        spec = {key: value for key, value in data["spec"].items() if key != "variables"}
        return {**data, "spec": spec}
    return data


def _walk(
    data: Any,
    place: Place,
    value_of: Callable[[str], Any],
    known: Callable[[str, Place], bool],
) -> Any:
    if isinstance(data, dict):
        return {k: _walk(v, (*place, k), value_of, known) for k, v in data.items()}
    if isinstance(data, list):
        return [_walk(v, (*place, n), value_of, known) for n, v in enumerate(data)]
    if not isinstance(data, str) or "$" not in data:
        return data
    whole = _USE.fullmatch(data)
    if whole and not whole[1] and known(whole[2], place):
        return value_of(whole[2])

    def inside(match: re.Match[str]) -> str:
        if match[1]:
            return match[0] if match[2].startswith(_FOUND) else match[0][1:]
        return _text(value_of(match[2])) if known(match[2], place) else match[0]

    return _USE.sub(inside, data)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
