"""A process stopped where it stands, its connections open."""

from __future__ import annotations

import signal
import time
from dataclasses import dataclass, field
from typing import ClassVar

from sloproof.contracts.effect import Effect, Json, Undone
from sloproof.contracts.probe import Witness
from sloproof.effects.incarnation import Incarnation
from sloproof.effects.witness import witness_from_json
from sloproof.errors import EffectError

STOPPED = frozenset("Tt")


@dataclass(frozen=True, kw_only=True)
class Pause(Effect):
    """SIGSTOP to one incarnation; one that was stopped before the run stays stopped."""

    kind: ClassVar[str] = "pause"

    incarnation: str
    instance: str
    seen_by: Json = field(default_factory=dict)

    def _life(self) -> Incarnation:
        return Incarnation.parse(self.incarnation)

    def capture(self) -> Json:
        """Whether it is stopped already; raises where it is dead."""
        letter = self._life().letter()
        if not letter:
            raise EffectError(f"{self.instance} is gone: there is nothing to pause")
        return {"stopped": letter in STOPPED}

    def apply(self, prior: Json) -> None:
        """Stop it, and see it stopped."""
        if prior["stopped"]:
            return
        life = self._life()
        if not life.send(signal.SIGSTOP):
            raise EffectError(f"{self.instance} died before it could be paused")
        deadline = time.monotonic() + 1
        while life.letter() not in STOPPED:
            if time.monotonic() > deadline:
                raise EffectError(f"{self.instance} did not stop within 1 s of SIGSTOP")
            time.sleep(0.001)

    def undo(self, prior: Json) -> Undone:
        """Let it go on if it lives and we stopped it; a stop that is still on its way, too."""
        if prior["stopped"]:
            return Undone.FOREIGN
        life = self._life()
        stopped = life.letter() in STOPPED
        lives = life.send(signal.SIGCONT)  # it also takes a pending SIGSTOP back
        return Undone.REVERTED if stopped and lives else Undone.ABSENT

    def present(self, prior: Json) -> bool:
        """Whether it is stopped, and was not before."""
        return not prior["stopped"] and self._life().letter() in STOPPED

    def moot(self, prior: Json) -> bool:
        """Whether the stopped process has been ended: a healer's way with what hangs."""
        return not self._life().alive()

    def witness(self) -> Witness | None:
        """Its state as the kernel tells it."""
        return witness_from_json(self.seen_by)

    def concerns(self) -> str:
        """The copy."""
        return self.instance

    def touches(self) -> str:
        """The incarnation."""
        return self.incarnation

    def remedy(self) -> str:
        """The signal that lets it go on."""
        return f"kill -CONT {self._life().pid}   # {self.instance}"

    def __str__(self) -> str:
        return f"pause {self.instance}"
