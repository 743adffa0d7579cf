"""The files that a running system writes, by the names under which others find them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path


class Files:
    """The evidence in a system's folder: logs of calls, changes and repairs."""

    def __init__(
        self,
        folder: Path,
        callers: Iterable[str],
        called: Iterable[str] = (),
        *,
        stores: bool = False,
    ) -> None:
        self.gateway_log = folder / "gateway.jsonl"
        self.controller_events = folder / "controller-events.jsonl"
        self.controller_calls = folder / "calls-controller.jsonl"
        self.supervisor_events = folder / "supervisor-events.jsonl"
        self.roles = folder / "roles.json"
        self._stores = stores
        self._callers = list(callers)
        self._called = list(called)
        self._folder = folder

    def of_copy(self, name: str) -> dict[str, str]:
        """What the copy of that name is told to write, if it calls others or notes who calls it."""
        calls = {"calls": str(self._folder / f"calls-{name}.jsonl")}
        if name not in self._callers:
            return calls if name in self._called else {}
        return {
            **calls,
            "breaker_events": str(self._folder / f"breaker-events-{name}.jsonl"),
            **({"roles": str(self.roles)} if self._stores else {}),
        }

    def to_json(self) -> dict[str, str]:
        """All files by name, as the state file shows them."""
        found = {
            "gateway_log": str(self.gateway_log),
            "controller_events": str(self.controller_events),
            "calls_controller": str(self.controller_calls),
            "supervisor_events": str(self.supervisor_events),
        }
        for name in (*self._callers, *self._called):
            for kind, path in self.of_copy(name).items():
                if kind != "roles":
                    found[f"{kind}_{name.replace('-', '_')}"] = path
        return found

    def clear(self) -> None:
        """Make every file, empty: what an earlier system wrote under these names goes."""
        for path in self.to_json().values():
            Path(path).write_bytes(b"")
