"""Telling the record what happens: the engine's events, written as they come."""

from __future__ import annotations

from dataclasses import dataclass

from sloproof.model.clock import Clock
from sloproof.record.writer import RecordWriter


@dataclass(slots=True)
class Teller:
    """Writes events of now, or of a given moment. A record that can't be written ends the run.

    But never its winding up: from `forgive` on, `lost` says what went wrong, and nothing is raised.
    """

    record: RecordWriter
    clock: Clock
    origin: int
    lost: str = ""
    _forgives: bool = False

    def __call__(self, kind: str, /, *, moment: int | None = None, **data: object) -> None:
        """Write one event; raises `OSError` where that fails and isn't forgiven."""
        time = self.clock.now() if moment is None else moment
        try:
            self.record.event(time - self.origin, kind, **data)
        except OSError as error:
            if not self._forgives:
                raise
            self.lost = self.lost or f"the record can't be written: {error}"

    def forgive(self) -> None:
        """The run is ending: what can't be written must not keep it from being wound up."""
        self._forgives = True
