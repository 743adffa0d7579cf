"""YAML into plain data with the line of everything, strictly; no object is ever constructed."""

from __future__ import annotations

import re
import stat
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from sloproof.errors import InvalidInput, Problem, UsageError
from sloproof.spec.places import Document, Place, field_of, with_form
from sloproof.spec.scalars import Misread, Scalar, loses_digits, mangled, read_plain

LARGEST_FILE = 1 << 20
MOST_VALUES = 20_000
DEEPEST = 40
_TAG = "tag:yaml.org,2002:"
_PLAIN_TAGS = {
    _TAG + name for name in ("str", "int", "float", "bool", "null", "timestamp", "value")
}
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def read_file(path: Path, shown_as: str) -> list[Document]:
    """Every document in a file; raises `InvalidInput` with all that is wrong about its form."""
    return _sound(parse_file(path, shown_as))


def read_text(text: str, shown_as: str) -> tuple[Document, ...]:
    """Every document in `text`; raises `InvalidInput` with all that is wrong about its form."""
    return tuple(_sound(parse_text(text, shown_as)))


def _sound(documents: Iterable[Document]) -> list[Document]:
    found = list(documents)
    problems = with_form([], found)
    if problems:
        raise InvalidInput(problems)
    return found


def shown(file: Path, project: Path) -> str:
    """A file as messages and records name it: from the project's root on, where it is inside."""
    whole = file.resolve()
    return str(whole.relative_to(project)) if whole.is_relative_to(project) else str(file)


def readable(
    files: Iterable[Path], read: Callable[[Path, str], list[Document]], project: Path
) -> tuple[list[Document], list[Problem]]:
    """The documents of all files that can be read, and what is wrong with the others."""
    documents: list[Document] = []
    broken: list[Problem] = []
    for file in files:
        try:
            documents += read(file, shown(file, project))
        except InvalidInput as error:
            broken += error.problems
    return documents, broken


def parse_file(path: Path, shown_as: str) -> list[Document]:
    """Like `read_file`, but what leaves the rest readable is only noted in the documents.

    Whoever asks must refuse it in the end, with what else is wrong: see `with_form`.
    """
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            raise _refused(shown_as, 0, "is not a file that can be read to its end")
        size = found.st_size
        content = path.read_bytes() if size <= LARGEST_FILE else b""
    except OSError as error:
        raise _refused(shown_as, 0, f"can't be read: {error.strerror}") from None
    if size > LARGEST_FILE:
        raise _refused(shown_as, 0, f"is larger than 1 MiB ({size} bytes)")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise _refused(shown_as, line, "is not text in UTF-8") from None
    return list(parse_text(text, shown_as))


@lru_cache(maxsize=64)
def parse_text(text: str, shown_as: str) -> tuple[Document, ...]:
    """Like `read_text`, but what leaves the rest readable is only noted in the documents.

    Remembered, as one target and one set of objectives serve many experiments.
    """
    found = _CONTROL.search(text)
    if found:
        line = text.count("\n", 0, found.start()) + 1
        raise _refused(shown_as, line, "is not text: it has control characters")
    documents: list[Document] = []
    problems: list[Problem] = []
    for node in _compose(text, shown_as):
        builder = _Builder(shown_as)
        data = builder.build(node, ())
        problems += builder.problems
        documents.append(
            Document(
                shown_as,
                data,
                data,
                builder.lines,
                builder.lossy,
                builder.misread,
                tuple(builder.repeated),
            )
        )
    if problems:
        raise InvalidInput(with_form(problems, documents))
    if all(document.data is None for document in documents):
        raise _refused(shown_as, 0, "is empty")
    return tuple(documents)


def _refused(file: str, line: int, message: str) -> InvalidInput:
    return InvalidInput([Problem(file, line, "", message)])


def _compose(text: str, shown_as: str) -> list[Node]:
    loader_class = getattr(yaml, "CSafeLoader", None)
    if loader_class is None:
        raise UsageError(
            "PyYAML was built without its C parser: install libyaml and reinstall PyYAML"
        )
    try:
        _measure_depth(text, loader_class, shown_as)
        return list(yaml.compose_all(text, loader_class))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 0
        lines = text.splitlines()
        if 0 < line <= len(lines) and "\t" in lines[line - 1]:
            raise _refused(shown_as, line, "has a tab: YAML is indented with spaces") from None
        hint = "; variables are written $(name)" if "${" in "".join(lines[line - 1 : line]) else ""
        raise _refused(shown_as, line, f"is not YAML: {error.problem}{hint}") from None
    except yaml.YAMLError as error:
        raise _refused(shown_as, 0, f"is not YAML: {error}") from None


def _measure_depth(text: str, loader_class: Any, shown_as: str) -> None:
    """Refuse what nests so deeply that composing it would exhaust the stack."""
    if sum(map(text.count, "[{-?:")) < 500:
        return
    depth = 0
    for event in yaml.parse(text, loader_class):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > DEEPEST:
            mark = event.start_mark
            line = mark.line + 1 if mark else 0
            raise _refused(shown_as, line, f"nests deeper than {DEEPEST} levels")


@dataclass(slots=True)
class _Builder:
    """Builds plain data from one document's nodes, and notes lines and problems on the way."""

    file: str
    lines: dict[Place, int] = field(default_factory=dict)
    lossy: dict[Place, str] = field(default_factory=dict)
    misread: dict[Place, Misread] = field(default_factory=dict)
    repeated: list[Problem] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    values: int = 0

    def build(self, node: Node, place: Place) -> Any:
        self.values += 1
        line = node.start_mark.line + 1
        if self.values > MOST_VALUES:
            raise _refused(self.file, line, f"has more than {MOST_VALUES} values (aliases count)")
        if len(place) > DEEPEST:
            raise _refused(self.file, line, f"nests deeper than {DEEPEST} levels")
        self.lines.setdefault(place, line)
        if isinstance(node, MappingNode):
            return self._mapping(node, place)
        if isinstance(node, SequenceNode):
            if node.tag != _TAG + "seq":
                self._refuse(node, place, f"the tag {_short(node.tag)} is not allowed")
            return [self.build(item, (*place, n)) for n, item in enumerate(node.value)]
        return self._scalar(node, place) if isinstance(node, ScalarNode) else None

    def _mapping(self, node: MappingNode, place: Place) -> dict[str, Any]:
        if node.tag != _TAG + "map":
            self._refuse(node, place, f"the tag {_short(node.tag)} is not allowed")
        data: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = self._key(key_node, place)
            if key is None:
                continue
            inside = (*place, key)
            if key in data:
                message = f"stands twice (first in line {self.lines[inside]})"
                line = key_node.start_mark.line + 1
                self.repeated.append(Problem(self.file, line, field_of(inside), message))
                continue
            if not isinstance(value_node, ScalarNode):
                self.lines[inside] = key_node.start_mark.line + 1
            data[key] = self.build(value_node, inside)
        return data

    def _key(self, node: Node, place: Place) -> str | None:
        if not isinstance(node, ScalarNode):
            self._refuse(node, place, "a key must be a word")
        elif node.tag == _TAG + "merge":
            self._refuse(node, place, "merge keys (<<) are not read: write the keys out")
        elif node.tag not in _PLAIN_TAGS:
            self._refuse(node, place, f"the tag {_short(node.tag)} is not allowed")
        elif control := _CONTROL.search(node.value):
            self._refuse(node, place, f"a key has the control character {_written(control)}")
        else:
            self._note_key(node, place)
            return str(node.value)
        return None

    def _note_key(self, node: ScalarNode, place: Place) -> None:
        key = str(node.value)
        reason = None if node.style else mangled(key)
        if not (reason or node.style or isinstance(read_plain(key), str)):
            reason = Misread(f"the key {key} is not text", f'quote it: "{key}"')
        if reason is not None:
            self.misread[(*place, key)] = reason

    def _scalar(self, node: ScalarNode, place: Place) -> Scalar:
        text = str(node.value)
        if node.tag not in _PLAIN_TAGS:
            self._refuse(node, place, f"the tag {_short(node.tag)} is not allowed")
            return text
        if control := _CONTROL.search(text):
            self._refuse(node, place, f"has the control character {_written(control)}")
        if node.style or node.tag == _TAG + "str":
            return text
        reason = mangled(text)
        if reason is not None:
            self.misread[place] = reason
            return text
        value = read_plain(text)
        if loses_digits(text, value):
            self.lossy[place] = text
        return value

    def _refuse(self, node: Node, place: Place, message: str) -> None:
        line = node.start_mark.line + 1
        self.problems.append(Problem(self.file, line, field_of(place), message))


def _written(control: re.Match[str]) -> str:
    return f"\\x{ord(control[0]):02x}"


def _short(tag: str) -> str:
    return tag.replace(_TAG, "!!")
