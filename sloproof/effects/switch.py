"""A switch of the target itself: read it, set it, put it back, by HTTP or by a command."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from sloproof.contracts.effect import Effect, Json, Undone
from sloproof.contracts.probe import Witness
from sloproof.effects.http_json import Refused, ask, on_this_host
from sloproof.effects.running import run
from sloproof.effects.toxic import SETTLE
from sloproof.effects.witness import witness_from_json
from sloproof.errors import EffectError
from sloproof.model.units import Duration

Act = Mapping[str, Any]
"""`{"method", "url", "json"}` or `{"command": [...]}`."""


@dataclass(frozen=True, kw_only=True)
class Switch(Effect):
    """Sets a switch. What was read before is put back: key by key where `set` takes the same
    keys, else by `reset`. A switch whose service is gone forgot its setting with it.
    """

    kind: ClassVar[str] = "switch"
    settle: ClassVar[Duration] = SETTLE
    volatile: ClassVar[bool] = False

    instance: str
    name: str
    read: Act
    set: Act
    reset: Act
    folder: str = "."
    timeout: float = 2.0
    seen_by: Json = field(default_factory=dict)

    def capture(self) -> Json:
        """The switch's state as it is read."""
        return {"state": self._do(self.read)}

    def apply(self, prior: Json) -> None:
        """Set it."""
        self._do(self.set)

    def undo(self, prior: Json) -> Undone:
        """Put back what was there before, and see it back."""
        try:
            if not self.present(prior):
                return Undone.ABSENT
            self._do(self._putting_back(prior["state"]))
            if self.present(prior):
                raise EffectError(f"{self}: reads the same after its reset")
        except Refused:
            if on_this_host(str(self.read.get("url", ""))):
                return Undone.ABSENT
            raise
        return Undone.REVERTED

    def _putting_back(self, state: object) -> Act:
        wanted = self.set.get("json")
        if isinstance(wanted, Mapping) and isinstance(state, Mapping) and set(wanted) <= set(state):
            return {**self.set, "json": {key: state[key] for key in wanted}}
        return self.reset

    def present(self, prior: Json) -> bool:
        """Whether the switch reads otherwise than before."""
        return bool(self._do(self.read) != prior["state"])

    def witness(self) -> Witness | None:
        """What requests to the instance itself get."""
        return witness_from_json(self.seen_by)

    def _do(self, act: Act) -> object:
        if "command" in act:
            return self._run(tuple(act["command"]))
        reply = ask(act["method"], act["url"], act.get("json"), timeout=self.timeout)
        if not reply.good:
            raise EffectError(f"{act['method']} {act['url']} answered {reply.status}: {reply.body}")
        body: object = reply.body
        return body

    def _run(self, argv: tuple[str, ...]) -> object:
        ended = run(argv, timeout=self.timeout, folder=self.folder)
        if ended.status:
            raise EffectError(f"{' '.join(argv)}: exit status {ended.status} {ended.complaint}")
        return ended.out.strip()

    def concerns(self) -> str:
        """The copy."""
        return self.instance

    def touches(self) -> str:
        """The switch of this instance."""
        return f"switch {self.name} of {self.instance}"

    def remedy(self) -> str:
        """The reset."""
        return f"reset switch {self.name} of {self.instance}: {json.dumps(self.reset)}"

    def __str__(self) -> str:
        return f"set switch {self.name} of {self.instance}"
