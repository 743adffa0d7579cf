"""Names that one process looks up in vain, by the shim that it was started with."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import ClassVar

from sloproof.effects.page import Page, PageEffect, Place

FAILS = Place(120, 4)
NAMES = Place(240, 3856)
LISTED, EVERY = 1, 2
_WHICH = struct.Struct("@I")


@dataclass(frozen=True, kw_only=True)
class Unresolved(PageEffect):
    """Look-ups of `names` fail for now (EAI_AGAIN); those of every name where none is given."""

    kind: ClassVar[str] = "unresolved"
    claim: ClassVar[Place] = Place(128, 112)

    names: tuple[str, ...] = ()

    @property
    def listed(self) -> bytes:
        """The names as they stand in the page; it holds `NAMES.size - 1` bytes of them."""
        return b"".join(name.encode("ascii") + b"\0" for name in self.names)

    def fill(self, page: Page) -> None:
        """First the names, then that they count."""
        page.write(NAMES, self.listed)
        page.write(FAILS, _WHICH.pack(self._which()))

    def clear(self, page: Page) -> None:
        """First that they don't count, then the names."""
        page.write(FAILS, _WHICH.pack(0))
        page.write(NAMES, b"")

    def filled(self, page: Page) -> bool:
        """Whether these names count."""
        held = page.read(NAMES).rstrip(b"\0") == self.listed.rstrip(b"\0")
        return held and _WHICH.unpack(page.read(FAILS))[0] == self._which()

    def _which(self) -> int:
        return LISTED if self.names else EVERY

    def __str__(self) -> str:
        what = ", ".join(self.names) or "every name"
        return f"look-ups of {what} by {self.instance} fail"
