"""The frame that all of sloproof's own documents share: apiVersion, kind, metadata, spec."""

from __future__ import annotations

from typing import Any

from sloproof.spec.places import Document, Problems, closest, suggestion
from sloproof.spec.shapes import validated
from sloproof.spec.written import Metadata

API_VERSION = "sloproof/v1"
_KEYS = ("apiVersion", "kind", "metadata", "spec")


def single(documents: tuple[Document, ...] | list[Document]) -> Document:
    """The one document that a file holds; raises `InvalidInput` if there are several."""
    first, *others = documents
    problems = Problems(first)
    if others:
        line = others[0].line(())
        problems.add((), f"has several documents (another in line {line}), but one is meant")
    problems.raise_any()
    return first


def open_envelope(problems: Problems, kind: str) -> tuple[Metadata | None, dict[str, Any]]:
    """The metadata and the spec of a document of this kind; notes what is wrong with the frame."""
    data = problems.document.data
    if not isinstance(data, dict):
        problems.add((), f"expected a mapping with {', '.join(_KEYS)}")
        return None, {}
    check_version(problems, API_VERSION)
    found = str(data.get("kind") or "nothing")
    if found != kind:
        problems.add(("kind",), f"expected {kind}, got {found}")
        if not closest(found, (kind,)):
            return None, {}  # something else altogether: none of its keys would be right
    for key in data:
        if key not in _KEYS:
            problems.add((key,), f'unknown key "{key}"{suggestion(key, _KEYS)}')
    metadata = validated(Metadata, data.get("metadata"), ("metadata",), problems)
    spec = data.get("spec")
    if not isinstance(spec, dict):
        problems.add(("spec",), "is required" if spec is None else "expected a mapping")
        return metadata, {}
    return metadata, spec


def check_version(problems: Problems, *versions: str) -> bool:
    """Note it if the document is of another version than these."""
    version = problems.document.data.get("apiVersion")
    if version in versions:
        return True
    expected = " or ".join(versions)
    problems.add(("apiVersion",), f"expected {expected}, got {version or 'nothing'}")
    return False
