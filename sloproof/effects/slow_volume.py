"""A volume on which each read and write waits: by the watcher that was armed with it."""

from __future__ import annotations

import fcntl
import json
import os
from dataclasses import dataclass, field
from typing import Any, ClassVar

from sloproof.contracts.effect import Effect, Json, Undone
from sloproof.contracts.probe import Witness
from sloproof.effects.place import Place, PlaceGone
from sloproof.effects.witness import witness_from_json
from sloproof.errors import EffectError


def control_of(path: str) -> str:
    """The file in which the delay of a volume stands, beside the volume."""
    return f"{path}.device/slow-io"


@dataclass(frozen=True, kw_only=True)
class SlowVolume(Effect):
    """Writes the delay, with the owner's name, where the volume's watcher reads it."""

    kind: ClassVar[str] = "slow_volume"

    volume: str
    path: str
    namespace: str = ""
    delay_ns: int
    holder: str = ""
    seen_by: Json = field(default_factory=dict)

    @property
    def _place(self) -> Place:
        return Place(self.path, self.namespace)

    @property
    def _control(self) -> Place:
        return Place(control_of(self.path), self.namespace)

    def capture(self) -> Json:
        """That nobody has slowed it; raises where nobody watches, or another one has."""
        said = self._said()
        if said is None or not self._watched():
            raise EffectError(f"nobody watches {self.volume}: arm it with slow-io at its start")
        os.close(self._place.opened(said["device"]))  # it may have been mounted anew
        if said.get("owner", str(self.owner)) != str(self.owner):
            raise EffectError(f"{self.volume} is slowed by {said['owner']} already")
        return {"device": said["device"]}

    def apply(self, prior: Json) -> None:
        """Write the delay."""
        said = {"device": prior["device"], "owner": str(self.owner), "delay_ns": self.delay_ns}
        self._write(said)

    def undo(self, prior: Json) -> Undone:
        """Take the delay away if it is ours; a watcher that is gone delays nothing."""
        said = self._said()
        if said is None or "owner" not in said:
            return Undone.ABSENT
        if said["owner"] != str(self.owner):
            return Undone.FOREIGN
        self._write({"device": said["device"]})
        return Undone.REVERTED

    def present(self, prior: Json) -> bool:
        """Whether our delay stands there, and somebody reads it."""
        said = self._said()
        return said is not None and said.get("owner") == str(self.owner) and self._watched()

    def _said(self) -> dict[str, Any] | None:
        try:
            with os.fdopen(self._control.open(os.O_RDONLY), encoding="ascii") as file:
                found: dict[str, Any] = json.load(file)
        except (PlaceGone, OSError, ValueError):
            return None
        return found

    def _write(self, said: Json) -> None:
        """In one piece, and never shorter than before: whoever reads it sees one or the other."""
        text = json.dumps(said).ljust(256)
        try:
            file = self._control.open(os.O_WRONLY)
            try:
                os.pwrite(file, text.encode(), 0)
            finally:
                os.close(file)
        except OSError as error:
            raise EffectError(f"{self}: {error.strerror}") from error

    def _watched(self) -> bool:
        """Whether a watcher holds its lock on the file."""
        with os.fdopen(self._control.open(os.O_RDONLY), "rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    def witness(self) -> Witness | None:
        """How long a small write and a read take, by the prober."""
        return witness_from_json(self.seen_by)

    def concerns(self) -> str:
        """The copy whose volume it is, or the volume."""
        return self.holder or self.volume

    def touches(self) -> str:
        """The volume."""
        return f"volume {self.volume}"

    def remedy(self) -> str:
        """Ending the watcher: the kernel lets everything through then."""
        place = self._control
        seen = place.reached if place.there() else place.path
        return f"end the process that holds a lock on {seen}"

    def __str__(self) -> str:
        return f"slow I/O {self.delay_ns / 1e6:g} ms on {self.volume}"
