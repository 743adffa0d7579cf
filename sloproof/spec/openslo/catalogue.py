"""OpenSLO documents by kind and name, for those that refer to each other."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeVar

from sloproof.errors import Problem
from sloproof.spec.envelope import check_version
from sloproof.spec.openslo.shapes import (
    API_VERSION,
    AlertConditionSpec,
    AlertPolicySpec,
    DataSourceSpec,
    NotificationSpec,
    ServiceSpec,
    SliSpec,
    SloMetadata,
    SloSpec,
)
from sloproof.spec.places import Document, Place, Problems, suggestion
from sloproof.spec.shapes import validated

T = TypeVar("T")
KINDS: dict[str, type[Any]] = {
    "SLO": SloSpec,
    "SLI": SliSpec,
    "Service": ServiceSpec,
    "DataSource": DataSourceSpec,
    "AlertPolicy": AlertPolicySpec,
    "AlertCondition": AlertConditionSpec,
    "AlertNotificationTarget": NotificationSpec,
}
_KEYS = ("apiVersion", "kind", "metadata", "spec")


@dataclass(frozen=True, slots=True)
class Piece:
    """One document that was read: its metadata and its spec, and where to note problems."""

    metadata: SloMetadata
    spec: Any
    problems: Problems
    place: Place = ("spec",)


@dataclass(slots=True)
class Catalogue:
    """Every document of a set, by kind and name; `used` are those that something referred to."""

    documents: dict[tuple[str, str], Document] = field(default_factory=dict)
    pieces: dict[tuple[str, str], Piece | None] = field(default_factory=dict)
    used: list[tuple[str, str]] = field(default_factory=list)

    def add(self, document: Document) -> list[Problem]:
        """Take a document in; what is wrong with its frame or its name comes back."""
        problems = Problems(document)
        if not check_version(problems, API_VERSION):
            return problems.found
        if document.kind not in KINDS:
            kind = document.data.get("kind") or "nothing"
            message = f"expected a kind of OpenSLO v1, got {kind}{suggestion(str(kind), KINDS)}"
            problems.add(("kind",), message)
            return problems.found
        key = (document.kind, document.name)
        other = self.documents.setdefault(key, document)
        if other is not document:
            where = f"{other.file}:{other.line(('metadata', 'name'))}"
            message = f'a second {key[0]} is called "{key[1]}" (the first: {where})'
            problems.add(("metadata", "name"), message)
        return problems.found

    def names(self, kind: str) -> list[str]:
        """The names of all documents of a kind."""
        return [name for each, name in self.documents if each == kind]

    def piece(self, kind: str, name: str) -> Piece | None:
        """The document of this kind and name, checked for its shape; None if that is wrong."""
        key = (kind, name)
        if key not in self.pieces:
            self.pieces[key] = _open(self.documents[key])
        if key not in self.used:
            self.used.append(key)
        return self.pieces[key]

    def refer(self, kind: str, name: str, place: Place, problems: Problems) -> Piece | None:
        """What a document refers to; its problems become the document's own."""
        if (kind, name) not in self.documents:
            hint = suggestion(name, self.names(kind))
            problems.add(place, f'no {kind} is called "{name}"{hint}')
            return None
        piece = self.piece(kind, name)
        if piece is None:
            others = Problems(self.documents[kind, name])
            _shape(others)
            problems.found.extend(each for each in others.found if each not in problems.found)
        return piece


def _open(document: Document) -> Piece | None:
    return _shape(Problems(document))


def _shape(problems: Problems) -> Piece | None:
    data = problems.document.data
    for key in data:
        if key not in _KEYS:
            problems.add((key,), f'unknown key "{key}"{suggestion(key, _KEYS)}')
    metadata = validated(SloMetadata, data.get("metadata"), ("metadata",), problems, camel=True)
    shape = KINDS[problems.document.kind]
    given = data.get("spec")
    if given is None and shape is ServiceSpec:
        given = {}
    spec = validated(shape, given, ("spec",), problems, camel=True)
    if metadata is None or spec is None or problems.found:
        return None
    return Piece(metadata, spec, problems)
