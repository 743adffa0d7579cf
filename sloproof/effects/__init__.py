"""Reversible changes to the world, one file a kind; undone from JSON alone by any process.

Light on purpose: the guardian imports nothing heavier than these files and the standard library.
"""

from __future__ import annotations

import importlib
from typing import Any

from sloproof.contracts.effect import Effect, Json, Owner
from sloproof.errors import EffectError


def effect_to_json(effect: Effect) -> Json:
    """The effect as plain data, with the place its class is found again."""
    place = f"{type(effect).__module__}:{type(effect).__qualname__}"
    return {"class": place, **effect.to_json()}


def effect_from_json(data: Json) -> Effect:
    """The effect that `effect_to_json` wrote; raises `EffectError` where its class is gone."""
    fields = {name: _frozen(value) for name, value in data.items() if name not in ("class", "kind")}
    module, _, name = str(data["class"]).partition(":")
    try:
        kind = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise EffectError(f"can't load the effect {data['class']}: {error}") from error
    owner = data.get("owner")
    fields["owner"] = Owner(**owner) if owner else None
    effect: Effect = kind(**fields)
    return effect


def _frozen(value: Any) -> Any:
    return tuple(map(_frozen, value)) if isinstance(value, list) else value
