"""What pydantic finds wrong, in words for people who write YAML."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sloproof.spec.places import suggestion

Detail = Mapping[str, Any]


def say(detail: Detail, value: Any, lossy: str) -> str:
    """One problem as a sentence; `lossy` is a number's text where it says more than the number."""
    kind = str(detail["type"])
    if kind == "value_error":
        hint = "; variables are written $(name)" if isinstance(value, str) and "${" in value else ""
        return f"{detail['ctx']['error']}{hint}"
    if kind in _EXPECTED:
        return _expected(_EXPECTED[kind], value, lossy)
    if kind in _SAID:
        return _SAID[kind](detail, value)
    return f"{detail.get('msg', kind)}, got {_shown(value)}"


def _expected(what: str, value: Any, lossy: str) -> str:
    if what == "text" and isinstance(value, bool | int | float):
        written = lossy or _shown(value)
        read = "true or false" if isinstance(value, bool) else f"the number {_shown(value)}"
        return f'expected text, but YAML reads {written} as {read}: quote it: "{written}"'
    return f"expected {what}, got {_shown(value)}"


def _shown(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    return f'"{value}"' if isinstance(value, str) else str(value)


def _one_of(detail: Detail, value: Any) -> str:
    options = [each.strip("' ") for each in _options(str(detail["ctx"]["expected"]))]
    if len(options) == 1:
        return f"expected {options[0]}, got {_shown(value)}"
    hint = suggestion(str(value), options)
    choice = "" if hint.startswith("; there is") else f": {', '.join(options)}"
    return f"{_shown(value)} is not one of its values{choice}{hint}"


def _options(text: str) -> list[str]:
    return text.replace(" or ", ", ").split(", ")


def _too_few(detail: Detail, _value: Any) -> str:
    least = int(detail["ctx"].get("min_length", 1))
    return "needs at least one entry" if least == 1 else f"needs at least {least} entries"


_EXPECTED = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "a mapping",
    "mapping_type": "a mapping",
    "dataclass_type": "a mapping",
    "dataclass_exact_type": "a mapping",
    "none_required": "nothing",
    "finite_number": "a finite number",
}

_SAID: dict[str, Callable[[Detail, Any], str]] = {
    "missing": lambda _detail, _value: "is required",
    "missing_argument": lambda _detail, _value: "is required",
    "missing_keyword_only_argument": lambda _detail, _value: "is required",
    "literal_error": _one_of,
    "enum": _one_of,
    "too_short": _too_few,
    "greater_than": lambda d, v: f"must be more than {d['ctx']['gt']}, got {_shown(v)}",
    "greater_than_equal": lambda d, v: f"must be at least {d['ctx']['ge']}, got {_shown(v)}",
    "less_than": lambda d, v: f"must be less than {d['ctx']['lt']}, got {_shown(v)}",
    "less_than_equal": lambda d, v: f"must be at most {d['ctx']['le']}, got {_shown(v)}",
    "string_pattern_mismatch": lambda _detail, value: (
        f"{_shown(value)} is not a name (letters, digits, and . _ - inside; at most 63)"
    ),
}
