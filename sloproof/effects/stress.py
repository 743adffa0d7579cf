"""Processor time or memory taken beside an instance, by a process of ours in its control group."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from sloproof.contracts.effect import Effect, Json, Undone
from sloproof.contracts.probe import Witness
from sloproof.effects import stressor
from sloproof.effects.incarnation import Incarnation
from sloproof.effects.process import adopt, reap
from sloproof.effects.tagged import OWNER, end, tagged
from sloproof.effects.witness import witness_from_json
from sloproof.errors import EffectError
from sloproof.model.units import Duration

START = 10.0
"""Seconds in which the work must have begun; touching memory takes a part of it."""
PER_BYTE = 10 / (1 << 30)
"""Seconds more for each byte that is to be touched: a tenth of what a slow machine can do."""


@dataclass(frozen=True, kw_only=True)
class Stress(Effect):
    """A stressor in the groups of an instance; it has its owner's tag and dies with its parent.

    `members` are the files of the groups that take a process in; `work` is what the stressor is
    told: `burn CORES LOAD` or `hold BYTES`.
    """

    kind: ClassVar[str] = "stress"
    settle: ClassVar[Duration] = Duration(500_000_000)

    instance: str
    members: tuple[str, ...]
    work: tuple[str, ...]
    words: str
    seen_by: Json = field(default_factory=dict)

    def capture(self) -> Json:
        """Nothing is there before; raises where the groups are gone."""
        gone = [members for members in self.members if not Path(members).exists()]
        if gone:
            raise EffectError(f"the cgroup of {self.instance} is gone: {Path(gone[0]).parent}")
        return {}

    def apply(self, prior: Json) -> None:
        """Start the stressor and await that it is at work."""
        if self.present(prior):
            return
        words = [str(os.getpid()), json.dumps(self.members), *self.work]
        child = subprocess.Popen(
            [sys.executable, "-I", "-S", stressor.__file__, *words],
            env={**os.environ, OWNER: str(self.owner)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        adopt(child)
        self._await(child)

    def _await(self, child: subprocess.Popen[bytes]) -> None:
        out, complaint = child.stdout, child.stderr
        if out is None or complaint is None:
            return
        patience = START + PER_BYTE * (int(self.work[1]) if self.work[0] == "hold" else 0)
        with out, complaint:
            ready = select.select([out], [], [], patience)[0]
            if ready and out.readline() == stressor.READY:
                return
            child.kill()
            child.wait()
            said = complaint.read().decode("utf-8", "replace").strip().rpartition("\n")[2]
        raise EffectError(f"{self}: {said or f'not at work within {patience:.0f} s'}")

    def undo(self, prior: Json) -> Undone:
        """End it; what it took is free once it is dead."""
        there = self.present(prior)
        end(self._lives, within=4)
        reap()
        return Undone.REVERTED if there else Undone.ABSENT

    def present(self, prior: Json) -> bool:
        """Whether it lives; one that memory ran out for doesn't."""
        reap()
        return next(self._lives(), None) is not None

    def moot(self, prior: Json) -> bool:
        """Whether the group went, and with it the place of the stressor."""
        return not all(Path(members).exists() for members in self.members)

    def witness(self) -> Witness | None:
        """What the kernel accounts to the group."""
        return witness_from_json(self.seen_by)

    def concerns(self) -> str:
        """The copy."""
        return self.instance

    def touches(self) -> str:
        """The groups."""
        return " ".join(self.members)

    def remedy(self) -> str:
        """How to find and end it."""
        return f"end the processes whose environment has {OWNER}={self.owner}"

    def _lives(self) -> Iterator[Incarnation]:
        ours = json.dumps(self.members).encode()
        for life in tagged(self.owner):
            with suppress(OSError):  # it died meanwhile
                if ours in Path(f"/proc/{life.pid}/cmdline").read_bytes().split(b"\0"):
                    yield life

    def __str__(self) -> str:
        return f"{self.words} beside {self.instance}"
