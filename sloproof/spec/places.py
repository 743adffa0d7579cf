"""Where in a document something stands, and the problems found there."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from sloproof.errors import InvalidInput, Problem
from sloproof.spec.scalars import Misread

Place: TypeAlias = "tuple[str | int, ...]"


def field_of(place: Place) -> str:
    """A place as people read it: `spec.faults[0].with.delay`."""
    text = ""
    for part in place:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


@dataclass(frozen=True, slots=True)
class Document:
    """One YAML document as plain data, with the line of each place in it.

    `data` is what is meant, `shown` the same with secrets masked. `lossy` holds the text of each
    number that says less than what was written (`1.10`, read as 1.1). `misread` are the words that
    YAML takes for something else, which stand in `data` as text, and `repeated` the keys that
    stand twice: neither is accepted, but what else is wrong can still be found.
    """

    file: str
    data: Any
    shown: Any
    lines: Mapping[Place, int] = field(default_factory=dict)
    lossy: Mapping[Place, str] = field(default_factory=dict)
    misread: Mapping[Place, Misread] = field(default_factory=dict)
    repeated: tuple[Problem, ...] = ()

    def line(self, place: Place) -> int:
        """The line of `place`, or of the nearest thing around it; 0 where none is known."""
        while place and place not in self.lines:
            place = place[:-1]
        return self.lines.get(place, 0)

    @property
    def kind(self) -> str:
        """The document's kind, or "" if it has none."""
        return str(self.data.get("kind", "")) if isinstance(self.data, dict) else ""

    @property
    def name(self) -> str:
        """Its name in `metadata`, or "" if it has none."""
        metadata = self.data.get("metadata") if isinstance(self.data, dict) else None
        return str(metadata.get("name", "")) if isinstance(metadata, dict) else ""


@dataclass(frozen=True, slots=True)
class Problems:
    """Collects what is wrong with one document, so that everything can be said at once.

    Nothing is said of the places in `unknown`: they have no value yet.
    """

    document: Document
    found: list[Problem] = field(default_factory=list)
    places: set[Place] = field(default_factory=set)
    unknown: set[Place] = field(default_factory=set)

    def add(self, place: Place, message: str) -> None:
        """Note `message` about `place`, once."""
        self.places.add(place)
        if place in self.unknown:
            return
        misread = self.document.misread.get(place)
        if misread is not None and str(misread) != message:
            message = f"{misread.reading}: {message}"
        problem = Problem(self.document.file, self.document.line(place), field_of(place), message)
        if problem not in self.found:
            self.found.append(problem)

    def within(self, place: Place) -> bool:
        """Whether anything was noted about `place` or what is inside it."""
        return any(each[: len(place)] == place for each in self.places)

    def raise_any(self) -> None:
        """Raise all of them as `InvalidInput`, if there are any."""
        if self.found:
            raise InvalidInput(self.found)


def with_form(found: Iterable[Problem], documents: Iterable[Document]) -> list[Problem]:
    """What was found, and what is wrong with the form of these documents.

    A word that YAML misreads is told once: where it doesn't fit, that was said already.
    """
    every = list(found)
    said = {(each.file, each.field) for each in every}
    for document in documents:
        every += document.repeated
        for place, misread in document.misread.items():
            if (document.file, field_of(place)) not in said:
                line = document.line(place)
                every.append(Problem(document.file, line, field_of(place), str(misread)))
    return every


def closest(word: str, known: Iterable[str]) -> list[str]:
    """The one of the known words that was probably meant, or nothing."""
    return difflib.get_close_matches(word, sorted(known), n=1, cutoff=0.6)


def suggestion(word: str, known: Iterable[str]) -> str:
    """`; did you mean "delay"?`, or what there is to choose from."""
    names = sorted(known)
    close = closest(word, names)
    if close:
        return f'; did you mean "{close[0]}"?'
    return f"; there is {', '.join(names)}" if names else "; there is none"
