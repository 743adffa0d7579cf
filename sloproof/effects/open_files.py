"""A process that can open no more files, or only a few."""

from __future__ import annotations

import resource
from dataclasses import dataclass, field
from itertools import count, islice
from pathlib import Path
from typing import ClassVar

from sloproof.contracts.effect import Effect, Json, Undone
from sloproof.contracts.probe import Witness
from sloproof.effects.incarnation import Incarnation
from sloproof.effects.witness import witness_from_json
from sloproof.errors import EffectError

Limits = tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class OpenFiles(Effect):
    """The soft limit of one incarnation's descriptors, lowered so that `left` more can be opened.

    The limit is on numbers and a new file gets the lowest free one (getrlimit(2), open(2)), so it
    lies just above the `left` lowest free numbers. It holds by what was open when it was read.
    """

    kind: ClassVar[str] = "open_files"

    incarnation: str
    instance: str
    left: int
    seen_by: Json = field(default_factory=dict)

    def _life(self) -> Incarnation:
        return Incarnation.parse(self.incarnation)

    def capture(self) -> Json:
        """Its limits, and the one that leaves so many; raises where it is dead, or not ours."""
        soft, hard = self._limits()
        try:
            files = Path(f"/proc/{self._life().pid}/fd").iterdir()
            used = frozenset(int(file.name) for file in files)
        except OSError as error:
            raise EffectError(f"can't read what {self.instance} has open: {error}") from error
        free = (number for number in count() if number not in used)
        below = next(islice(free, self.left, None))
        if resource.RLIM_INFINITY != soft <= below:
            raise EffectError(f"{self.instance} can't open {self.left} more as it is")
        return {"soft": soft, "hard": hard, "lowered": below}

    def apply(self, prior: Json) -> None:
        """Lower the limit."""
        if self._limits() != (prior["lowered"], prior["hard"]):
            self._limit(prior["lowered"], prior["hard"])

    def undo(self, prior: Json) -> Undone:
        """Raise it again, if it is still the one that we set; a dead process needs none."""
        if not self._life().alive():
            return Undone.ABSENT
        soft, hard = self._limits()
        if soft == prior["soft"]:
            return Undone.ABSENT
        if soft != prior["lowered"]:
            return Undone.FOREIGN
        self._limit(prior["soft"], hard)
        return Undone.REVERTED

    def present(self, prior: Json) -> bool:
        """Whether the limit is the one that we set."""
        return self._life().alive() and self._limits()[0] == prior["lowered"] != prior["soft"]

    def moot(self, prior: Json) -> bool:
        """Whether the process has been ended: another one has limits of its own."""
        return not self._life().alive()

    def _limits(self) -> Limits:
        return self._prlimit(None)

    def _limit(self, soft: int, hard: int) -> None:
        self._prlimit((soft, hard))

    def _prlimit(self, limits: Limits | None) -> Limits:
        """Read or set the limits of this incarnation; raises `EffectError`."""
        life = self._life()
        if not life.alive():
            raise EffectError(f"{self.instance} is gone: it has no limits")
        try:
            if limits is None:
                return resource.prlimit(life.pid, resource.RLIMIT_NOFILE)
            return resource.prlimit(life.pid, resource.RLIMIT_NOFILE, limits)
        except (OSError, ValueError) as error:
            raise EffectError(f"may not limit the files of {self.instance}: {error}") from error

    def witness(self) -> Witness | None:
        """The process's own account, as the kernel tells it."""
        return witness_from_json(self.seen_by)

    def concerns(self) -> str:
        """The copy."""
        return self.instance

    def touches(self) -> str:
        """The incarnation's limit."""
        return f"files of {self.incarnation}"

    def remedy(self) -> str:
        """The command that raises the limit."""
        return f"prlimit --pid {self._life().pid} --nofile=SOFT:HARD   # {self.instance}"

    def __str__(self) -> str:
        return f"leave {self.instance} {self.left} more files"
