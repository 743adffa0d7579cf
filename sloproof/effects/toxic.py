"""A toxic on a Toxiproxy's proxy, or several of one kind, one a direction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from sloproof.contracts.effect import Effect, Json, Undone
from sloproof.contracts.probe import Witness
from sloproof.effects.http_json import Refused
from sloproof.effects.toxiproxy import NoSuchProxy, Server, ToxicExists
from sloproof.effects.witness import witness_from_json
from sloproof.errors import EffectError
from sloproof.model.units import Duration

SETTLE = Duration(3_000_000_000)
"""Longer than a client waits for an answer: a request that stalled has been served or dropped."""


@dataclass(frozen=True, kw_only=True)
class Toxic(Effect):
    """Toxics named after their owner; those of anybody else are never touched."""

    kind: ClassVar[str] = "toxic"
    settle: ClassVar[Duration] = SETTLE
    volatile: ClassVar[bool] = False

    server: str
    proxy: str
    toxic: str
    streams: tuple[str, ...]
    attributes: Mapping[str, Any]
    words: str
    seen_by: Json = field(default_factory=dict)

    def _names(self) -> dict[str, str]:
        return {f"{self.owner}-{stream}": stream for stream in self.streams}

    def capture(self) -> Json:
        """Whether the proxy is enabled and which toxics it has; raises where there is no proxy."""
        state = Server(self.server).state(self.proxy)
        return {
            "enabled": state["enabled"],
            "toxics": sorted(toxic["name"] for toxic in state.get("toxics", [])),
        }

    def apply(self, prior: Json) -> None:
        """Add the toxics that aren't there yet."""
        server = Server(self.server)
        for name, stream in self._names().items():
            toxic = {
                "name": name,
                "type": self.toxic,
                "stream": stream,
                "attributes": dict(self.attributes),
            }
            try:
                server.add_toxic(self.proxy, toxic)
            except ToxicExists:
                continue

    def undo(self, prior: Json) -> Undone:
        """Remove our own; a server that is gone took its toxics along."""
        server = Server(self.server)
        removed, errors = [], []
        for name in self._names():
            try:
                removed.append(server.remove_toxic(self.proxy, name))
            except EffectError as error:
                errors.append(error)
        if errors and not server.gone():
            raise errors[0]
        return Undone.REVERTED if any(removed) else Undone.ABSENT

    def present(self, prior: Json) -> bool:
        """Whether one of ours is there."""
        server = Server(self.server)
        try:
            toxics = server.state(self.proxy).get("toxics", [])
        except NoSuchProxy:
            return False
        except Refused:
            if server.gone():
                return False
            raise
        return any(toxic["name"] in self._names() for toxic in toxics)

    def witness(self) -> Witness | None:
        """What goes through the proxy, seen by requests of the witness's own."""
        return witness_from_json(self.seen_by)

    def concerns(self) -> str:
        """The link, which has its proxy's name."""
        return self.proxy

    def touches(self) -> str:
        """The proxy."""
        return f"{self.server}/{self.proxy}"

    def remedy(self) -> str:
        """The API call that removes it."""
        names = " and ".join(self._names())
        return f"DELETE {self.server}/proxies/{self.proxy}/toxics/{names}"

    def __str__(self) -> str:
        return f"{self.words} on {self.proxy}"
