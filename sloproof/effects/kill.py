"""A process ended. What is dead can't be undone: the system heals it, or the harness restores."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from sloproof.contracts.effect import Effect, Json, Undone
from sloproof.contracts.probe import Witness
from sloproof.effects.finder import Finder
from sloproof.effects.incarnation import Incarnation
from sloproof.effects.process import reap
from sloproof.effects.running import run
from sloproof.effects.witness import witness_from_json
from sloproof.errors import EffectError
from sloproof.model.units import Duration

DEATH = 2.0
"""Seconds in which a killed process must be seen dead."""


@dataclass(frozen=True, kw_only=True)
class Kill(Effect):
    """Ends one incarnation. Restored means: another incarnation answers to the same finder.

    `restore` runs in `folder`, wherever the process that undoes was started from.
    """

    kind: ClassVar[str] = "kill"
    lasting: ClassVar[bool] = True

    incarnation: str
    instance: str
    signal: str = "KILL"
    grace_ns: int = 0
    finder: Mapping[str, Any]
    restore: tuple[str, ...] = ()
    restore_timeout: float = 10.0
    folder: str = "."
    seen_by: Json = field(default_factory=dict)

    def _life(self) -> Incarnation:
        return Incarnation.parse(self.incarnation)

    def capture(self) -> Json:
        """Whether it lives; raises where it is dead already."""
        if not self._life().alive():
            raise EffectError(f"{self.instance} is dead already: there is nothing to kill")
        return {}

    def apply(self, prior: Json) -> None:
        """Send the signal, after the grace SIGKILL as well, and see it die."""
        life = self._life()
        life.send(signal.Signals[f"SIG{self.signal}"])
        if self.grace_ns and not _within(self.grace_ns / 1e9, lambda: not life.alive()):
            life.send(signal.SIGKILL)
        mortal = self.signal == "KILL" or self.grace_ns
        if mortal and not _within(DEATH, lambda: not life.alive()):
            raise EffectError(f"{self.instance} still lives {DEATH:g} s after SIGKILL")

    def undo(self, prior: Json) -> Undone:
        """Nothing where it never died or lives anew; else run the restore command and see it back.

        Raises `EffectError` where there is no way to restore it, or it didn't come back.
        """
        life = self._life()
        _within(DEATH + self.grace_ns / 1e9, lambda: not life.alive())  # a signal takes its time
        if not self.present(prior):
            return Undone.ABSENT
        if not self.restore:
            raise EffectError(
                f"{self.instance} is dead, nobody healed it, and its service has no `restore:`"
            )
        self._run_restore()
        if not _within(self.restore_timeout, lambda: not self.present(prior)):
            raise EffectError(f"{self.instance} was restored but is not there")
        return Undone.REVERTED

    def _run_restore(self) -> None:
        try:
            ended = run(self.restore, timeout=self.restore_timeout, folder=self.folder)
        except EffectError as error:
            raise EffectError(f"restoring {self.instance} failed: {error}") from error
        if ended.status:
            why = f"({ended.status}): {ended.complaint}"
            raise EffectError(f"restoring {self.instance} failed {why}")

    def patience(self) -> Duration:
        """As long as the restore command may take, and the copy to be there."""
        return Duration.of(DEATH + self.grace_ns / 1e9 + 2 * self.restore_timeout) + self.deadline

    def present(self, prior: Json) -> bool:
        """Whether the instance is dead: this life is over and no other answers to the finder."""
        reap()
        return not self._life().alive() and Finder.from_json(self.finder).find() is None

    def witness(self) -> Witness | None:
        """Its life as the kernel tells it."""
        return witness_from_json(self.seen_by)

    def concerns(self) -> str:
        """The copy."""
        return self.instance

    def touches(self) -> str:
        """The instance, whichever life it has."""
        return f"instance {self.instance}"

    def remedy(self) -> str:
        """How to start it again."""
        return " ".join(self.restore) or f"start {self.instance} again by hand"

    def __str__(self) -> str:
        return f"kill {self.instance} with SIG{self.signal}"


def _within(seconds: float, condition: Callable[[], bool]) -> bool:
    """Whether `condition` came true within `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True
