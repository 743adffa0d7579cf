"""How the help of a command looks: no type beside an option that takes no value."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from typer.core import TyperCommand, TyperGroup


class Command(TyperCommand):
    """A command whose flags are shown as such."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Its options and arguments, the one for help with them."""
        return _flags_plain(super().get_params(ctx))


class Group(TyperGroup):
    """The command line as a whole, likewise."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Its options, the one for help with them."""
        return _flags_plain(super().get_params(ctx))


def _flags_plain(params: Iterable[Any]) -> list[Any]:
    found = list(params)
    for each in found:
        if getattr(each, "is_flag", False):
            each.metavar = ""
    return found
