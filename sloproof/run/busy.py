"""Who holds a target, and how whoever comes later is told."""

from __future__ import annotations

import json
from dataclasses import dataclass

from sloproof.effects.incarnation import Incarnation, self_incarnation
from sloproof.errors import HarnessError


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a lock, as far as it says so; `state` is its state folder where that may differ."""

    run: str = "another run"
    engine: Incarnation | None = None
    state: str = ""

    @classmethod
    def read(cls, said: bytes) -> Holder:
        """What the holder wrote down."""
        try:
            found = json.loads(said)
            engine = Incarnation.parse(found["engine"])
            return cls(str(found["run"]), engine, str(found.get("state", "")))
        except (ValueError, KeyError, TypeError):
            return cls()

    @staticmethod
    def written(run: str, state: str = "") -> bytes:
        """What this process writes down as the holder for a run."""
        return json.dumps({"run": run, "engine": str(self_incarnation()), "state": state}).encode()


class TargetBusy(HarnessError):
    """Another run holds the target; `dying` where its engine is dead and its guardian at work."""

    def __init__(self, target: str, holder: Holder) -> None:
        self.dying = holder.engine is not None and not holder.engine.alive()
        doing = (
            "its guardian still puts things back" if self.dying else "two runs never share a target"
        )
        there = f"SLOPROOF_STATE_DIR={holder.state} " if holder.state else ""
        super().__init__(
            f"{target} is under test by {holder.run}: {doing} "
            f"(`{there}sloproof status` shows it, `{there}sloproof stop` ends it)"
        )
