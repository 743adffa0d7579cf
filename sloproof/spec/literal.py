"""Secrets that stand in people's files as they are: what a journal only names is found there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sloproof.errors import InvalidInput
from sloproof.model.secrets import undeclared, variable_for
from sloproof.spec.reading import read_file


def literal_secrets(file: Path) -> dict[str, str]:
    """The secrets written out in a file, by their environment variables; none if it is unreadable.

    Those with a variable in them are left out: what it stood for isn't known any more.
    """
    try:
        documents = read_file(file, str(file))
    except InvalidInput:
        return {}
    found: dict[str, str] = {}
    for document in documents:
        spec = document.data.get("spec") if isinstance(document.data, dict) else None
        if isinstance(spec, dict):
            found |= undeclared(spec) | _declared(spec.get("variables"))
    return {name: value for name, value in found.items() if "$(" not in value}


def _declared(variables: Any) -> dict[str, str]:
    if not isinstance(variables, dict):
        return {}
    return {
        variable_for(name): str(form["value"])
        for name, form in variables.items()
        if isinstance(form, dict) and form.get("secret") is True and "value" in form
    }
