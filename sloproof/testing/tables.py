"""Tables in which records are written by hand."""

from __future__ import annotations

from collections.abc import Mapping

from sloproof.contracts import Duration


def rows(table: str) -> list[dict[str, str]]:
    """The rows of a table: its first line names the columns; words are apart by blanks."""
    head, *lines = [line.split() for line in table.strip().splitlines() if line.strip()]
    return [dict(zip(head, line, strict=True)) for line in lines]


def time_in(row: Mapping[str, str], column: str, otherwise: str = "0s") -> int:
    """A time or a length in a row, in nanoseconds."""
    return Duration.parse(row.get(column, otherwise)).ns
