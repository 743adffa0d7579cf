"""Reversible changes to the world, one file a kind; undone from JSON alone by any process.

Light on purpose: the guardian imports nothing heavier than these files and the standard library.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from typing import Any

from sloproof.contracts.effect import PRIVATE, Effect, Json, Owner
from sloproof.errors import EffectError

_PLACE = frozenset({"class", "kind", "file"})


def effect_to_json(effect: Effect) -> Json:
    """The effect as plain data, with the place its class is found again."""
    module, name = type(effect).__module__, type(effect).__qualname__
    place = {"class": f"{module}:{name}"}
    if module.startswith(PRIVATE):
        place["file"] = str(sys.modules[module].__file__)
    return {**place, **effect.to_json()}


def effect_from_json(data: Json) -> Effect:
    """The effect that `effect_to_json` wrote.

    Raises `EffectError` where its class is gone, can't be loaded or has other fields by now.
    """
    fields = {name: _frozen(value) for name, value in data.items() if name not in _PLACE}
    owner = data.get("owner")
    try:
        fields["owner"] = Owner(**owner) if owner else None
        effect: Effect = _class_of(data)(**fields)
    except Exception as error:
        what = data.get("class", "nothing")
        raise EffectError(f"can't load the effect {what}: {error!r}") from error
    return effect


def _class_of(data: Json) -> Any:
    """The effect's class; one in a project's own file is loaded from there, by the same name."""
    module, _, name = str(data["class"]).partition(":")
    if "file" in data and module not in sys.modules:
        spec = importlib.util.spec_from_file_location(module, data["file"])
        if spec is None or spec.loader is None:
            raise EffectError(f"{data['file']} can't be loaded as Python")
        sys.modules[module] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[module])
    return getattr(importlib.import_module(module), name)


def _frozen(value: Any) -> Any:
    return tuple(map(_frozen, value)) if isinstance(value, list) else value
