"""Cases of bad input as text that people read: see `cases/README.md` for how it is written."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

CASES = Path(__file__).parent / "cases"
USUAL = "run experiments/pause.yaml"


@dataclass(slots=True)
class Change:
    """Lines of one file that become others; without `before` the file is written anew."""

    file: str
    before: list[str] = field(default_factory=list)
    after: list[str] = field(default_factory=list)
    anew: bool = False

    def make(self, root: Path) -> None:
        path = root / self.file
        path.parent.mkdir(parents=True, exist_ok=True)
        after = "".join(f"{line}\n" for line in self.after)
        if self.anew:
            path.write_text(after, "utf-8")
            return
        before, text = "".join(f"{line}\n" for line in self.before), path.read_text("utf-8")
        assert text.count(before) == 1, f"{before!r} doesn't stand once in {self.file}"
        path.write_text(text.replace(before, after), "utf-8")


@dataclass(slots=True)
class Case:
    """One mistake: what is changed, the command that is given, and each line that is said."""

    name: str
    changes: list[Change] = field(default_factory=list)
    command: str = USUAL
    said: list[str] = field(default_factory=list)

    def words(self, root: Path) -> list[str]:
        return [word.replace("{root}", str(root)) for word in shlex.split(self.command)]

    def read(self, line: str) -> None:
        mark, _, rest = line.partition(" ")
        if mark in ("in", "write"):
            self.changes.append(Change(rest, anew=mark == "write"))
        elif mark == "$":
            self.command = rest
        elif mark == ">":
            self.said.append(rest)
        elif line[:1] == "-":
            if self.changes[-1].after:
                self.changes.append(Change(self.changes[-1].file))
            self.changes[-1].before.append(line[1:])
        elif line[:1] in ("+", "|"):
            self.changes[-1].after.append(line[1:])
        else:
            assert not line or line.startswith("#"), f"{self.name}: what is {line!r}?"


def cases(table: str) -> Iterator[Case]:
    """The cases of one table."""
    case: Case | None = None
    for line in (CASES / f"{table}.txt").read_text("utf-8").splitlines():
        if line.startswith("== "):
            if case is not None:
                yield case
            case = Case(line.removeprefix("== "))
        elif case is not None:
            case.read(line)
    if case is not None:
        yield case
