"""Who holds a target, and how whoever comes later is told."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass

from sloproof.effects.incarnation import Incarnation, self_incarnation
from sloproof.errors import HarnessError

WRITING = 1.0
"""Seconds that a holder may take, from getting a lock on, to have written down who it is."""


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

    @classmethod
    def told(cls, read: Callable[[], bytes]) -> Holder:
        """Like `read`, of one who may have got the lock just now and is about to write."""
        until = time.monotonic() + WRITING
        while (found := cls.read(read())) == cls() and time.monotonic() < until:
            time.sleep(0.01)
        return found

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
