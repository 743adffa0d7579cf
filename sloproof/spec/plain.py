"""From a frozen dataclass back to the plain data it is written as."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from enum import Enum
from typing import Any

from sloproof.spec.shapes import keys_of


def as_written(value: Any) -> Any:
    """`value` as mappings, lists and scalars, under the keys of YAML; what is None is left out."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        if not _is_shape(value):
            return str(value)
        keys = keys_of(type(value))
        names = [each.name for each in dataclasses.fields(value)]
        pairs = zip(keys, (getattr(value, name) for name in names), strict=True)
        return {key: as_written(each) for key, each in pairs if each is not None}
    if isinstance(value, Mapping):
        return {str(key): as_written(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [as_written(each) for each in value]
    return str(value.value) if isinstance(value, Enum) else value


def _is_shape(value: Any) -> bool:
    """Quantities are dataclasses too, but written as text."""
    return not hasattr(type(value), "parse")
