"""All objectives of a set of files: OpenSLO's SLOs and our recovery objectives, by name."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from sloproof.contracts import Duration
from sloproof.errors import InvalidInput, Problem
from sloproof.spec.envelope import API_VERSION, open_envelope
from sloproof.spec.objectives import Objectives, RecoveryObjective, Slo
from sloproof.spec.openslo.catalogue import Catalogue
from sloproof.spec.openslo.shapes import API_VERSION as OPENSLO
from sloproof.spec.openslo.slos import build_slo
from sloproof.spec.places import Document, Problems
from sloproof.spec.shapes import validated
from sloproof.spec.written import RecoverySpec

RECOVERY = "RecoveryObjective"


@dataclass(slots=True)
class Library:
    """Documents that may define objectives, each built when it is asked for.

    `broken` holds what is wrong with documents whose names can't be told or come twice.
    """

    openslo: Catalogue = field(default_factory=Catalogue)
    recoveries: dict[str, Document] = field(default_factory=dict)
    broken: list[Problem] = field(default_factory=list)

    @classmethod
    def of(cls, documents: Iterable[Document]) -> Library:
        """A library of these documents; each may be a list of several."""
        library = cls()
        for document in documents:
            for each in _one_by_one(document):
                library.add(each)
        return library

    def add(self, document: Document) -> None:
        """Take in one document, whatever it is."""
        problems = Problems(document)
        version = document.data.get("apiVersion") if isinstance(document.data, dict) else None
        if not isinstance(document.data, dict):
            problems.add((), "expected a mapping, or a list of mappings")
        elif version == API_VERSION and document.kind == RECOVERY:
            other = self.recoveries.setdefault(document.name, document)
            if other is not document:
                where = f"{other.file}:{other.line(('metadata', 'name'))}"
                message = f'a second objective is called "{document.name}" (the first: {where})'
                problems.add(("metadata", "name"), message)
        elif version == API_VERSION:
            kind = document.kind or "nothing"
            problems.add(("kind",), f"expected {RECOVERY}, got {kind}")
        elif version == OPENSLO:
            problems.found.extend(self.openslo.add(document))
        else:
            expected = f"expected {OPENSLO} or {API_VERSION}, got {version or 'nothing'}"
            problems.add(("apiVersion",), expected)
        if document.name in self.recoveries and ("SLO", document.name) in self.openslo.documents:
            problems.add(("metadata", "name"), "an SLO and a recovery objective share this name")
        self.broken.extend(problems.found)

    def names(self) -> dict[str, str]:
        """Every objective's name with its kind, `slo` or `recovery`."""
        slos = dict.fromkeys(self.openslo.names("SLO"), "slo")
        return slos | dict.fromkeys(self.recoveries, "recovery")

    def objective(self, name: str) -> Slo | RecoveryObjective:
        """One objective; raises `InvalidInput` with everything about it that is wrong."""
        if name in self.recoveries:
            return _recovery(self.recoveries[name])
        return build_slo(name, self.openslo)

    def document(self, name: str) -> Document:
        """The document that defines an objective."""
        if name in self.recoveries:
            return self.recoveries[name]
        return self.openslo.documents["SLO", name]

    def everything(self) -> Objectives:
        """All objectives; raises `InvalidInput` with everything that is wrong anywhere."""
        problems = list(self.broken)
        objectives: Objectives = {}
        for name in self.names():
            try:
                objectives[name] = self.objective(name)
            except InvalidInput as error:
                problems += error.problems
        for kind, name in self.openslo.documents:
            if kind != "SLO":
                own = Problems(self.openslo.documents[kind, name])
                self.openslo.refer(kind, name, (), own)
                problems += own.found
        if problems:
            raise InvalidInput(list(dict.fromkeys(problems)))
        return objectives

    def behind(self, names: Iterable[str]) -> list[Document]:
        """The documents of these objectives and of all that they refer to."""
        self.openslo.used.clear()
        documents = []
        for name in names:
            self.objective(name)
            if name in self.recoveries:
                documents.append(self.recoveries[name])
        return [*(self.openslo.documents[key] for key in self.openslo.used), *documents]


def _one_by_one(document: Document) -> list[Document]:
    if not isinstance(document.data, list):
        return [document]
    return [_item(document, n, each) for n, each in enumerate(document.data)]


def _item(document: Document, n: int, data: Any) -> Document:
    return replace(
        document,
        data=data,
        shown=data,
        lines={place[1:]: line for place, line in document.lines.items() if place[:1] == (n,)},
        lossy={place[1:]: text for place, text in document.lossy.items() if place[:1] == (n,)},
        misread={place[1:]: each for place, each in document.misread.items() if place[:1] == (n,)},
    )


def _recovery(document: Document) -> RecoveryObjective:
    problems = Problems(document)
    metadata, written = open_envelope(problems, RECOVERY)
    spec = validated(RecoverySpec, written, ("spec",), problems) if written else None
    if spec is not None:
        for key, value in (("rto", spec.rto), ("rpo", spec.rpo)):
            if value is not None and value <= Duration(0):
                problems.add(("spec", key), "must be longer than nothing")
        if spec.good_ratio.value == 0:
            problems.add(("spec", "good_ratio"), "must be more than 0%")
    problems.raise_any()
    if metadata is None or spec is None:
        raise InvalidInput(problems.found)
    return RecoveryObjective(
        name=metadata.name,
        origin=document.file,
        probe=spec.probe,
        rto=spec.rto,
        rpo=spec.rpo,
        stable_for=spec.stable_for,
        successes=spec.successes,
        good_ratio=spec.good_ratio,
        origin_of_time=spec.source,
    )
