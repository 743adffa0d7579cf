"""The user's own command as an effect: apply, undo, observe; argument lists, never a shell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from sloproof.contracts.effect import Effect, Json, Owner, Undone
from sloproof.contracts.probe import Witness
from sloproof.effects.running import run
from sloproof.effects.tagged import end, tagged_in_session
from sloproof.effects.witness import witness_from_json
from sloproof.errors import EffectError
from sloproof.model.units import Duration


@dataclass(frozen=True, kw_only=True)
class Command(Effect):
    """`observe` exits 0 while the change is there; without it the undo command runs always."""

    kind: ClassVar[str] = "command"
    deadline: ClassVar[Duration] = Duration(120_000_000_000)
    volatile: ClassVar[bool] = False

    apply_: tuple[str, ...]
    undo_: tuple[str, ...]
    observe: tuple[str, ...] = ()
    timeout: float = 10.0
    folder: str = "."
    seen_by: Json = field(default_factory=dict)

    def capture(self) -> Json:
        """Whether it is there before; a change that is there already isn't ours to make."""
        return {"present": bool(self.observe) and self._run(self.observe) == 0}

    def apply(self, prior: Json) -> None:
        """Run the command; raises where it fails, or where the change was there before."""
        if prior["present"]:
            raise EffectError(f"{self}: `observe` says it is there before it was made")
        if self.observe and self._run(self.observe) == 0:
            return
        self._must(self.apply_, self.owner)

    def interrupt(self) -> None:
        """End an apply command that outlived its engine, with what it started in its session."""
        end(lambda: tagged_in_session(self.owner), within=2)

    def undo(self, prior: Json) -> Undone:
        """Run the undo command where the change is there and ours, and see it gone."""
        if prior["present"]:
            return Undone.FOREIGN
        if self.observe and self._run(self.observe) != 0:
            return Undone.ABSENT
        self._must(self.undo_)
        if self.observe and self._run(self.observe) == 0:
            raise EffectError(f"{self}: still there after its undo command")
        return Undone.REVERTED

    def present(self, prior: Json) -> bool:
        """What `observe` says; False without it."""
        return not prior["present"] and bool(self.observe) and self._run(self.observe) == 0

    def witness(self) -> Witness | None:
        """The observe command, run by the prober."""
        return witness_from_json(self.seen_by)

    def _must(self, argv: Sequence[str], owner: Owner | None = None) -> None:
        ended = run(argv, timeout=self.timeout, folder=self.folder, owner=owner)
        if ended.status:
            complaint = f": {ended.complaint}" if ended.complaint else ""
            raise EffectError(f"{' '.join(argv)}: exit status {ended.status}{complaint}")

    def _run(self, argv: Sequence[str]) -> int:
        return run(argv, timeout=self.timeout, folder=self.folder).status

    def remedy(self) -> str:
        """The undo command."""
        return " ".join(self.undo_)

    def __str__(self) -> str:
        return f"run {' '.join(self.apply_)}"
