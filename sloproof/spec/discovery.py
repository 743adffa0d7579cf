"""What is known only once the target runs: `$(found.…)` in its file, filled in from JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sloproof.errors import InvalidInput
from sloproof.model.target import Target
from sloproof.spec.places import Document, Place, Problems
from sloproof.spec.plain import as_written
from sloproof.spec.shapes import validated
from sloproof.spec.targets import check_hosts, check_ports
from sloproof.spec.variables import fill


def fill_found(target: Target, found: Mapping[str, Any]) -> Target:
    """The target with what was found filled in, checked again: hosts, ports, everything.

    A value that stands alone keeps its type, so a port may be a number. Raises `InvalidInput` for
    what wasn't found or doesn't fit.
    """
    data = as_written(target)
    problems = Problems(Document(target.origin, {"spec": data}, None))

    def missing(name: str, place: Place) -> None:
        has = ", ".join(sorted(found)) or "nothing"
        problems.add(("spec", *place), f"$({name}) was not found: there is {has}")

    data = _with_ports(fill(data, found, missing))
    filled = validated(Target, data, ("spec",), problems, filled=True)
    if filled is not None:
        check_hosts(filled, problems)
        check_ports(filled, problems)
    problems.raise_any()
    if filled is None:
        raise InvalidInput(problems.found)
    return filled


def _with_ports(target: dict[str, Any]) -> dict[str, Any]:
    """The same with ports as numbers, though they may have been found as text."""
    for service in target["services"].values():
        for copy in service["instances"]:
            if str(copy.get("listens", "")).isdecimal():
                copy["listens"] = int(copy["listens"])
    return target
