"""What is wrong with a file is said at its line, with what was probably meant.

The cases stand in `bad/*.txt`: a name behind `==`, the file that is changed behind `in`, the lines
taken out (`-`) and put in (`+`), and every problem that must be said (`>`), in order.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.spec.projects import Project

BAD = Path(__file__).parent / "bad"


@dataclass(slots=True)
class Case:
    """One mistake: which lines become which, and what is said about it."""

    name: str
    file: str = ""
    changes: list[tuple[list[str], list[str]]] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    def read(self, line: str) -> None:
        mark, text = line[:1], line[1:]
        if mark == "i":
            self.file = line.removeprefix("in ")
        elif mark == "-":
            if not self.changes or self.changes[-1][1]:
                self.changes.append(([], []))
            self.changes[-1][0].append(text)
        elif mark == "+":
            self.changes[-1][1].append(text)
        elif mark == ">":
            self.said.append(text.strip())


def read_cases(folder: Path) -> Iterator[Case]:
    """The cases in the tables of a folder."""
    for file in sorted(folder.glob("*.txt")):
        case: Case | None = None
        for line in file.read_text().splitlines():
            if line.startswith("== "):
                if case is not None:
                    yield case
                case = Case(f"{file.stem}: {line.removeprefix('== ')}")
            elif case is not None:
                case.read(line)
        if case is not None:
            yield case


@pytest.mark.parametrize("case", [pytest.param(each, id=each.name) for each in read_cases(BAD)])
def test_a_mistake_is_said_with_its_line(project: Project, case: Case) -> None:
    for before, after in case.changes:
        project.change(case.file, {_lines(before): _lines(after)})
    assert project.problems() == case.said


def _lines(lines: list[str]) -> str:
    return "".join(f"{line}\n" for line in lines)
