"""From plain data to a frozen dataclass, with everything that is wrong said in plain words."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Hashable, Iterable, Mapping
from functools import cache
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.alias_generators import to_camel
from pydantic.errors import PydanticUserError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from sloproof.errors import ExtensionError
from sloproof.spec.places import Place, Problems, closest, suggestion
from sloproof.spec.words import say

T = TypeVar("T")
_STRICT = ConfigDict(extra="forbid", arbitrary_types_allowed=True, allow_inf_nan=False)
_CAMEL = ConfigDict(extra="forbid", alias_generator=to_camel, allow_inf_nan=False)
_FILLED = ConfigDict(extra="forbid", coerce_numbers_to_str=True, allow_inf_nan=False)
_EXTRA = {"extra_forbidden", "unexpected_keyword_argument"}
_COSTS = {
    **dict.fromkeys(("missing", "string_type", "int_type", "int_parsing"), 1),
    **dict.fromkeys(_EXTRA, 2),
    **dict.fromkeys(("dataclass_type", "tuple_type", "dict_type", "mapping_type"), 3),
}


def adapter(shape: Any, *, camel: bool = False, filled: bool = False) -> TypeAdapter[Any]:
    """How data becomes `shape`, unknown keys forbidden all the way down.

    `camel` reads keys in camelCase, `filled` lets numbers stand for text.
    """
    return _adapter(shape, camel, filled)


@cache
def _adapter(shape: Hashable, camel: bool, filled: bool) -> TypeAdapter[Any]:
    # The optional type is there because pydantic takes no configuration for a bare dataclass.
    config = _CAMEL if camel else _FILLED if filled else _STRICT
    try:
        optional: Any = typing.Optional[shape]  # noqa: UP045 - a value, not an annotation
        return TypeAdapter(optional, config=config)
    except (PydanticUserError, NameError) as error:
        raise ExtensionError(f"{shape}: {error}") from error


def validated(
    shape: type[T],
    data: Any,
    place: Place,
    problems: Problems,
    *,
    camel: bool = False,
    filled: bool = False,
) -> T | None:
    """`data` as a `shape`, or None after noting every problem with its place."""
    if not isinstance(data, dict):
        message = "is required" if data is None else say({"type": "dataclass_type"}, data, "")
        problems.add(place, message)
        return None
    try:
        made: T = adapter(shape, camel=camel, filled=filled).validate_python(data)
    except ValidationError as error:
        _note(error, shape, data, place, problems, camel=camel)
        return None
    return made


def salvaged(
    shape: type[T], data: Any, place: Place, problems: Problems, stand_ins: Mapping[str, Any]
) -> T | None:
    """Like `validated`, but what is wrong under one key doesn't keep the others from being read.

    `stand_ins` take the places of required keys that are wrong; their problems are noted.
    """
    made = validated(shape, data, place, problems)
    if made is not None or not isinstance(data, dict):
        return made
    known = keys_of(shape)
    sound = {k: v for k, v in data.items() if k in known and not problems.within((*place, k))}
    return validated(shape, {**stand_ins, **sound}, place, Problems(problems.document))


def _note(
    error: ValidationError,
    shape: type[Any],
    data: Any,
    place: Place,
    problems: Problems,
    *,
    camel: bool,
) -> None:
    said: dict[Place, list[str]] = {}
    misspelt: set[Place] = set()
    for detail in _likeliest(error.errors(include_url=False), data):
        inside = _inside(detail, data)
        where = (*place, *inside)
        if detail["type"] in _EXTRA:
            known = _keys(shape, inside[:-1], camel=camel)
            message = f'unknown key "{inside[-1]}"{suggestion(str(inside[-1]), known)}'
            misspelt |= {(*where[:-1], meant) for meant in closest(str(inside[-1]), known)}
        else:
            value = inside[-1] if detail["loc"][-1:] == ("[key]",) else _at(data, inside)
            message = say(dict(detail), value, problems.document.lossy.get(where, ""))
        messages = said.setdefault(where, [])
        if message not in messages:
            messages.append(message)
    for where in said.keys() - problems.places:
        if not (where in misspelt and said[where] == ["is required"]):
            problems.add(where, ", or ".join(said[where]))


def _inside(detail: ErrorDetails, data: Any) -> Place:
    """pydantic's location without the names of union members and validators that it mixes in."""
    place: list[str | int] = []
    last = len(detail["loc"]) - 1
    for n, part in enumerate(detail["loc"]):
        if _has(data, part):
            data = data[part]
        elif not (n == last and detail["type"] == "missing"):
            continue
        place.append(part)
    return tuple(place)


def _likeliest(details: Iterable[ErrorDetails], data: Any) -> list[ErrorDetails]:
    """Of a union's members, the complaints of the one that was probably meant.

    That is the member with the fewest keys unknown or missing.
    """
    groups: dict[Place, dict[str, list[ErrorDetails]]] = {}
    for detail in details:
        before, member = _member(detail, data)
        groups.setdefault(before, {}).setdefault(member, []).append(detail)
    chosen: list[ErrorDetails] = []
    for members in groups.values():
        if "" in members:
            chosen += members.pop("")
        costs = {name: _cost(found) for name, found in members.items()}
        least = min(costs.values(), default=0)
        chosen += [
            each for name, found in members.items() if costs[name] == least for each in found
        ]
    return chosen


def _member(detail: ErrorDetails, data: Any) -> tuple[Place, str]:
    """The place of the union in a location and the name of its member, if there is one."""
    last = len(detail["loc"]) - 1
    for n, part in enumerate(detail["loc"]):
        if _has(data, part):
            data = data[part]
        elif not (n == last and detail["type"] == "missing"):
            return detail["loc"][:n], str(part)
    return (), ""


def _cost(details: list[ErrorDetails]) -> int:
    return sum(_COSTS.get(each["type"], 0) for each in details)


def _at(data: Any, place: Place) -> Any:
    for part in place:
        data = data[part] if _has(data, part) else None
    return data


def _has(data: Any, part: str | int) -> bool:
    if isinstance(data, dict):
        return part in data
    return isinstance(data, list) and isinstance(part, int) and part < len(data)


def keys_of(shape: Any, *, camel: bool = False) -> Mapping[str, Any]:
    """The keys that a dataclass has in YAML, each with its type."""
    return _keys_of(shape, camel)


@cache
def _keys_of(shape: Any, camel: bool) -> Mapping[str, Any]:
    hints = get_type_hints(shape, include_extras=True)
    names: dict[str, Any] = {}
    for each in dataclasses.fields(shape):
        alias = next(
            (
                m.alias
                for m in get_args(hints[each.name])[1:]
                if isinstance(m, FieldInfo) and m.alias
            ),
            to_camel(each.name) if camel else each.name,
        )
        names[alias] = hints[each.name]
    return names


def _keys(shape: Any, place: Place, *, camel: bool) -> set[str]:
    """The keys that are known at `place` inside `shape`."""
    shapes = [shape]
    for part in place:
        shapes = [inner for each in shapes for inner in _step(each, part, camel=camel)]
    found: set[str] = set()
    for each in (plain for one in shapes for plain in _plain(one)):
        if dataclasses.is_dataclass(each) and isinstance(each, type):
            found |= keys_of(each, camel=camel).keys()
    return found


def _step(shape: Any, part: str | int, *, camel: bool) -> list[Any]:
    found: list[Any] = []
    for each in _plain(shape):
        arguments = get_args(each)
        if dataclasses.is_dataclass(each) and isinstance(each, type):
            inner = keys_of(each, camel=camel).get(str(part))
            found += [] if inner is None else [inner]
        elif arguments and get_origin(each) is tuple:
            found.append(arguments[0])
        elif arguments and get_origin(each) in (dict, Mapping):
            found.append(arguments[1])
    return found


def _plain(shape: Any) -> list[Any]:
    """The members of a union, without annotations."""
    origin = get_origin(shape)
    if origin is typing.Annotated:
        return _plain(get_args(shape)[0])
    if origin in (typing.Union, types.UnionType):
        return [inner for each in get_args(shape) for inner in _plain(each)]
    return [shape]
