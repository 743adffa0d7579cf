"""A store's connections taken, by a process of ours that holds them."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from dataclasses import dataclass, field
from typing import ClassVar

from sloproof.contracts.effect import Effect, Json, Undone
from sloproof.contracts.probe import Witness
from sloproof.effects.postgres import Connection
from sloproof.effects.process import adopt, reap
from sloproof.effects.tagged import OWNER, end, tagged
from sloproof.effects.witness import witness_from_json
from sloproof.errors import EffectError

PATIENCE = 20.0
"""Seconds in which all connections have to be made."""
SOON = 2.0


@dataclass(frozen=True, kw_only=True)
class HeldConnections(Effect):
    """Ordinary clients can open at most `left` more connections, until the holder ends.

    The holder carries the owner's tag, and dies when whoever started it does: it lives as long as
    its standard input. Its address goes there, too, where nobody else can read it.
    """

    kind: ClassVar[str] = "held_connections"

    dsn: str
    instance: str
    left: int
    seen_by: Json = field(default_factory=dict)

    def capture(self) -> Json:
        """Nothing is held before; raises `EffectError` where nobody answers."""
        with Connection(self.dsn) as server:
            server.value("select 1")
        return {}

    def apply(self, prior: Json) -> None:
        """Start the holder and hear that it holds."""
        if self.present(prior):
            return
        holder = subprocess.Popen(
            [sys.executable, "-m", "sloproof.effects.connection_holder"],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), OWNER: str(self.owner)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        adopt(holder)
        said = _told(holder, {"dsn": self.dsn, "left": self.left, "name": str(self.owner)})
        if said != "holding":
            end(lambda: tagged(self.owner), within=SOON)
            why = said or f"no answer within {PATIENCE:g} s"
            raise EffectError(f"{self}: {why}")

    def interrupt(self) -> None:
        """End a holder that is still taking connections."""
        end(lambda: tagged(self.owner), within=SOON)

    def undo(self, prior: Json) -> Undone:
        """End the holder; the server sees its connections closed by the kernel."""
        there = self.present(prior)
        end(lambda: tagged(self.owner), within=SOON)
        reap()
        return Undone.REVERTED if there else Undone.ABSENT

    def present(self, prior: Json) -> bool:
        """Whether the holder lives."""
        reap()
        return next(tagged(self.owner), None) is not None

    def witness(self) -> Witness | None:
        """Attempts to connect."""
        return witness_from_json(self.seen_by)

    def concerns(self) -> str:
        """The copy."""
        return self.instance

    def touches(self) -> str:
        """The connections of this copy."""
        return f"connections of {self.instance}"

    def remedy(self) -> str:
        """How to find and end the holder."""
        return f"end the processes whose environment has {OWNER}={self.owner}"

    def __str__(self) -> str:
        return f"hold connections of {self.instance}, {self.left} left"


def _told(holder: subprocess.Popen[bytes], wanted: Json) -> str:
    """Tell the holder what to hold, and give the line that it answers with."""
    if holder.stdin is None or holder.stdout is None:
        return ""
    try:
        holder.stdin.write(json.dumps(wanted).encode() + b"\n")
        holder.stdin.flush()
    except OSError:
        return "it ended at once"
    with holder.stdout as answer:
        if not select.select([answer], [], [], PATIENCE)[0]:
            return ""
        return answer.readline().decode("utf-8", "replace").strip()
