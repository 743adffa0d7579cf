"""What models of targets are written in: names, addresses, commands, requests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from sloproof.model.units import Duration

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$")]


def _named(argv: tuple[str, ...]) -> tuple[str, ...]:
    if not argv[0].strip():
        raise ValueError("its first word, the program, is empty")
    return argv


Argv = Annotated[tuple[str, ...], Field(min_length=1), AfterValidator(_named)]
Port = Annotated[int, Field(ge=1, le=65535)]
Late = str
"""Text that may hold `$(found.…)` until the target runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A program with its arguments (never a shell's line) and its own time-out."""

    command: Argv
    """The program and its arguments, one word each; no shell reads them."""
    within: Duration = Duration(30_000_000_000)
    """How long it may take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpCall:
    """One HTTP request as data."""

    method: Literal["GET", "PUT", "POST", "DELETE", "PATCH"]
    """The method."""
    url: Late
    """The address."""
    json: Mapping[str, Any] | None = None
    """The body, sent as JSON; none if left out."""
