"""The page of a process that was started with the shim, and what is claimed in it by whom.

The layout is that of `sloproof/shim/shim.c`. The page is shared memory that lives as long as a
process that has it, so nothing can stay behind; it is reached through `/proc/PID/fd`.
"""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from sloproof.contracts.effect import Effect, Json, Undone
from sloproof.contracts.probe import Witness
from sloproof.effects.incarnation import Incarnation
from sloproof.effects.witness import witness_from_json
from sloproof.errors import EffectError

LINK = "/memfd:sloproof-shim (deleted)"
"""What the page's descriptor is called in `/proc/PID/fd`."""


@dataclass(frozen=True, slots=True)
class Place:
    """A stretch of the page: where it begins, how many bytes it has."""

    at: int
    size: int


@dataclass(frozen=True, slots=True)
class Page:
    """A page by the path that opens it, and by the number that tells it from others."""

    path: str
    inode: int

    def read(self, place: Place) -> bytes:
        """The bytes at a place; raises `OSError` where the process is gone."""
        handle = os.open(self.path, os.O_RDONLY)
        try:
            return os.pread(handle, place.size, place.at)
        finally:
            os.close(handle)

    def write(self, place: Place, content: bytes) -> None:
        """Write to a place, and zeros after the content; raises `OSError` likewise."""
        handle = os.open(self.path, os.O_RDWR)
        try:
            os.pwrite(handle, content.ljust(place.size, b"\0"), place.at)
        finally:
            os.close(handle)


def page_of(life: Incarnation) -> Page | None:
    """The page of a living process that was started with the shim, else None.

    Raises `EffectError` where we may not look.
    """
    try:
        found = next(_pages(life.pid), None)
    except PermissionError as error:
        raise EffectError(f"may not reach into process {life.pid}: {error}") from error
    return found if life.alive() else None


def _pages(pid: int) -> Iterator[Page]:
    folder = f"/proc/{pid}/fd"
    try:
        names = os.listdir(folder)  # noqa: PTH208 - many paths would be built for nothing
    except (FileNotFoundError, ProcessLookupError):
        return
    for name in names:
        path = f"{folder}/{name}"
        with suppress(FileNotFoundError, ProcessLookupError):  # closed, or died, in the meantime
            if os.readlink(path) == LINK:  # noqa: PTH115 - likewise
                yield Page(path, Path(path).stat().st_ino)


def _anybodys(inode: int) -> Page | None:
    """The page of this number, whoever still has it: children outlive the one that began it."""
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(PermissionError):
            for page in _pages(int(folder.name)):
                if page.inode == inode:
                    return page
    return None


@dataclass(frozen=True, kw_only=True)
class PageEffect(Effect):
    """A part of an incarnation's page, claimed by an owner and set. The claim comes first."""

    claim: ClassVar[Place]
    """Where the owner's name stands."""

    incarnation: str
    instance: str
    seen_by: Json = field(default_factory=dict)

    @abstractmethod
    def fill(self, page: Page) -> None:
        """Write what is wanted."""

    @abstractmethod
    def clear(self, page: Page) -> None:
        """Write what there was before anybody wrote."""

    @abstractmethod
    def filled(self, page: Page) -> bool:
        """Whether what is wanted stands there."""

    def capture(self) -> Json:
        """Which page it is; raises where there is none, or where it is claimed already."""
        page = page_of(self._life())
        if page is None:
            raise EffectError(f"{self.instance} is gone, or was not started by `sloproof arm`")
        owner = _owner(page, self.claim)
        if owner not in (b"", self._name()):
            raise EffectError(f"{self.instance} is in the hands of {owner.decode()} already")
        return {"inode": page.inode}

    def apply(self, prior: Json) -> None:
        """Claim it and fill it in."""
        page = self._page(prior)
        if page is None:
            raise EffectError(f"{self.instance} died before it could be struck")
        try:
            page.write(self.claim, self._name())
            self.fill(page)
        except OSError as error:
            raise EffectError(f"{self.instance} died while it was struck: {error}") from error

    def undo(self, prior: Json) -> Undone:
        """Clear it if it is ours; what has died took its page along."""
        page = self._page(prior)
        if page is None:
            return Undone.ABSENT
        try:
            owner = _owner(page, self.claim)
            if owner != self._name():
                return Undone.FOREIGN if owner else Undone.ABSENT
            there = self.filled(page)
            self.clear(page)
            page.write(self.claim, b"")
        except FileNotFoundError:
            return Undone.ABSENT
        return Undone.REVERTED if there else Undone.ABSENT

    def present(self, prior: Json) -> bool:
        """Whether it is ours and filled in."""
        page = self._page(prior)
        try:
            return (
                page is not None and _owner(page, self.claim) == self._name() and self.filled(page)
            )
        except FileNotFoundError:
            return False

    def moot(self, prior: Json) -> bool:
        """Whether the process has been replaced: the next one begins right."""
        return not self._life().alive()

    def witness(self) -> Witness | None:
        """What others see of it."""
        return witness_from_json(self.seen_by)

    def concerns(self) -> str:
        """The copy."""
        return self.instance

    def touches(self) -> str:
        """This part of the incarnation's page."""
        return f"{self.incarnation} {self.claim.at}"

    def remedy(self) -> str:
        """A restart, with which the page is gone."""
        return f"restart {self.instance}, process {self._life().pid}"

    def _life(self) -> Incarnation:
        return Incarnation.parse(self.incarnation)

    def _page(self, prior: Json) -> Page | None:
        return page_of(self._life()) or _anybodys(prior["inode"])

    def _name(self) -> bytes:
        return str(self.owner).encode()[: self.claim.size - 1]


def _owner(page: Page, claim: Place) -> bytes:
    return page.read(claim).partition(b"\0")[0]
