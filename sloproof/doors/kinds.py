"""What there is to write: kinds of fault with their fields, and the schema of each kind of file."""

from __future__ import annotations

import enum
import inspect
import json
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import Any, get_args, get_type_hints

from rich.table import Table

from sloproof.contracts import Fault
from sloproof.doors.ending import DONE, Ending
from sloproof.errors import UsageError
from sloproof.extensions import Extensions


def faults(kind: str, project: Path) -> Ending:
    """Every kind of fault with a line of help, or one kind with its fields."""
    known = Extensions.of(project).faults
    if not kind:
        body = {name: _described(known[name]) for name in sorted(known)}
        return Ending(DONE, {"faults": body}, _table_of_kinds(body))
    if kind not in known:
        raise UsageError(f"there is no fault {kind!r}; there are {', '.join(sorted(known))}")
    described = _described(known[kind])
    return Ending(DONE, {"faults": {kind: described}}, _one_kind(kind, described))


def schema(kind: str, project: Path) -> Ending:
    """The JSON Schema for editors: of one kind of file, or of all."""
    from sloproof.spec import json_schema

    known = json_schema(Extensions.of(project))
    names = {name.lower(): name for name in known}
    if kind and kind.lower() not in names:
        raise UsageError(f"there is no schema of {kind!r}; there are {', '.join(sorted(known))}")
    found = known[names[kind.lower()]] if kind else known
    return Ending(DONE, found, json.dumps(found, indent=2), document=True)


def _described(fault: type[Fault]) -> dict[str, Any]:
    hints = get_type_hints(fault)
    return {
        "help": inspect.cleandoc(fault.__doc__ or ""),
        "points_at": fault.points_at,
        "needs": [capability.__name__ for capability in fault.needs],
        "arms": list(fault.arms),
        "fields": {each.name: _field(each, hints[each.name]) for each in fields(_as_data(fault))},
    }


def _as_data(fault: type[Fault]) -> Any:
    """Every fault is a dataclass once it is defined, which type checkers can't see."""
    return fault


def _field(each: Field[Any], hint: Any) -> dict[str, Any]:
    described: dict[str, Any] = {"type": _type_name(hint), "required": False}
    if each.default is not MISSING:
        return {**described, "default": _plain(each.default)}
    if each.default_factory is not MISSING:
        return {**described, "default": _plain(each.default_factory())}
    return {**described, "required": True}


def _type_name(hint: Any) -> str:
    if inspect.isclass(hint) and issubclass(hint, enum.Enum):
        return " | ".join(str(each.value) for each in hint)
    noun = getattr(hint, "noun", "")
    if noun:
        return f"{noun}, such as {hint.example}"
    if arguments := [each for each in get_args(hint) if each is not Ellipsis]:
        names = " | ".join(_type_name(each) for each in arguments if each is not type(None))
        return f"list of {names}" if getattr(hint, "__origin__", None) in {list, tuple} else names
    return {"str": "text", "int": "whole number", "float": "number", "bool": "true | false"}.get(
        getattr(hint, "__name__", ""), str(hint)
    )


def _plain(value: Any) -> Any:
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    return value if isinstance(value, bool | int | float | None) else str(value)


def _table_of_kinds(body: Mapping[str, Mapping[str, Any]]) -> Table:
    table = Table("fault", "points at", "what it does", box=None, pad_edge=False)
    for name, described in body.items():
        table.add_row(name, described["points_at"], described["help"].partition("\n")[0])
    return table


def _one_kind(name: str, described: Mapping[str, Any]) -> str:
    lines = [name, "", f"  {described['help']}".replace("\n", "\n  "), ""]
    lines.append(f"  points at: {described['points_at'] or 'nothing'}")
    lines.append(f"  needs: {', '.join(described['needs']) or 'nothing of the platform'}")
    if described["arms"]:
        lines.append(f"  armed when the target starts: {', '.join(described['arms'])}")
    lines += ["", "  with:"] if described["fields"] else ["", "  no fields"]
    for key, each in described["fields"].items():
        value = "required" if each["required"] else f"default {json.dumps(each['default'])}"
        lines.append(f"    {key}: {each['type']}; {value}")
    return "\n".join(lines)
