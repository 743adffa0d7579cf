"""What stands in the documents: blocks of code, inline code, links, tables under their headings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *sorted((ROOT / "docs").glob("*.md")),
    ROOT / "reports" / "templates" / "README.md",
    ROOT / "digital_human" / "README.md",
]
LINK = re.compile(r"\]\(([^)#\s]*)(#[^)\s]*)?\)")
_FENCE = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`([^`\n]+)`")
_CELLS = re.compile(r"(?<!\\)\|")


@dataclass(frozen=True, slots=True)
class Block:
    """A block of code in a page: its language, and whether it says that it is a part only."""

    page: Path
    number: int
    language: str
    mark: str
    text: str

    @property
    def data(self) -> Any:
        return yaml.safe_load(self.text)

    def __str__(self) -> str:
        return f"{self.page.stem}-{self.number}"


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a table: its cells, without the outer bars."""

    cells: tuple[str, ...]

    @property
    def names(self) -> list[str]:
        """What stands in backticks in the first cell."""
        return code(self.cells[0])


def blocks(*languages: str) -> Iterator[Block]:
    """The blocks of all pages in one of these languages ("" for those without)."""
    for page in PAGES:
        for number, (info, text) in enumerate(_FENCE.findall(page.read_text()), start=1):
            language, _, mark = info.partition(" ")
            if language in languages:
                yield Block(page, number, language, mark, text)


def code(text: str) -> list[str]:
    """What stands between backticks in a text, outside of blocks."""
    return _CODE.findall(_FENCE.sub("", text))


def tables(page: str, heading: str) -> list[list[Row]]:
    """The tables below a heading of a page, up to the next heading, without their first rows."""
    text = _FENCE.sub("", (ROOT / page).read_text())
    _, found, rest = f"\n{text}".partition(f"\n{heading}\n")
    assert found, f"{page} has no heading {heading!r}"
    section = re.split(r"^#", rest, maxsplit=1, flags=re.MULTILINE)[0]
    found_tables: list[list[Row]] = []
    for paragraph in re.split(r"\n\s*\n", section):
        lines = [line for line in paragraph.strip().split("\n") if line.startswith("|")]
        rows = [Row(tuple(c.strip() for c in _CELLS.split(line)[1:-1])) for line in lines]
        if rows:
            found_tables.append(rows[2:])
    return found_tables


def anchors(page: Path) -> set[str]:
    """What a page's headings and marks can be reached by."""
    text = page.read_text()
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    plain = [re.sub(r"[^\w\- ]", "", each).strip().lower().replace(" ", "-") for each in headings]
    return {*plain, *re.findall(r'<a id="([^"]+)"', text)}
