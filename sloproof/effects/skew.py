"""A wall clock that is wrong for one process, by the shim that it was started with."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import ClassVar

from sloproof.effects.page import Page, PageEffect, Place
from sloproof.model.units import Duration

OFFSET = Place(8, 8)
_NS = struct.Struct("@q")


@dataclass(frozen=True, kw_only=True)
class Skew(PageEffect):
    """The wall clock is `offset_ns` away from the host's, which may be negative."""

    kind: ClassVar[str] = "skew"
    claim: ClassVar[Place] = Place(16, 104)

    offset_ns: int

    def fill(self, page: Page) -> None:
        """Eight bytes at once, so that nobody reads half of a time."""
        page.write(OFFSET, _NS.pack(self.offset_ns))

    def clear(self, page: Page) -> None:
        """No offset."""
        page.write(OFFSET, _NS.pack(0))

    def filled(self, page: Page) -> bool:
        """Whether it is this offset."""
        return bool(_NS.unpack(page.read(OFFSET))[0] == self.offset_ns)

    def __str__(self) -> str:
        way = "ahead" if self.offset_ns > 0 else "behind"
        return f"clock of {self.instance} {Duration(abs(self.offset_ns))} {way}"
