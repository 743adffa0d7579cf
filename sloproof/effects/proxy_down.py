"""A Toxiproxy's proxy disabled: it stops listening and closes its connections."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from sloproof.contracts.effect import Effect, Json, Undone
from sloproof.contracts.probe import Witness
from sloproof.effects.http_json import Refused
from sloproof.effects.toxic import SETTLE
from sloproof.effects.toxiproxy import NoSuchProxy, Server
from sloproof.effects.witness import witness_from_json
from sloproof.model.units import Duration


@dataclass(frozen=True, kw_only=True)
class ProxyDown(Effect):
    """Disables a proxy that was enabled; one that an operator disabled before stays so."""

    kind: ClassVar[str] = "proxy_down"
    settle: ClassVar[Duration] = SETTLE
    volatile: ClassVar[bool] = False

    server: str
    proxy: str
    seen_by: Json = field(default_factory=dict)

    def capture(self) -> Json:
        """Whether the proxy is enabled."""
        return {"enabled": bool(Server(self.server).state(self.proxy)["enabled"])}

    def apply(self, prior: Json) -> None:
        """Disable it."""
        Server(self.server).enable(self.proxy, enabled=False)

    def undo(self, prior: Json) -> Undone:
        """Enable it again if it was enabled before; a server that is gone needs nothing."""
        if not prior["enabled"]:
            return Undone.FOREIGN
        server = Server(self.server)
        try:
            if not self.present(prior):
                return Undone.ABSENT
            server.enable(self.proxy, enabled=True)
        except NoSuchProxy:
            return Undone.ABSENT
        except Refused:
            if server.gone():
                return Undone.ABSENT
            raise
        return Undone.REVERTED

    def present(self, prior: Json) -> bool:
        """Whether it is disabled, and was not before."""
        server = Server(self.server)
        try:
            enabled = bool(server.state(self.proxy)["enabled"])
        except NoSuchProxy:
            return False
        except Refused:
            if server.gone():
                return False
            raise
        return bool(prior["enabled"]) and not enabled

    def witness(self) -> Witness | None:
        """A connection through the proxy is refused."""
        return witness_from_json(self.seen_by)

    def concerns(self) -> str:
        """The link, which has its proxy's name."""
        return self.proxy

    def touches(self) -> str:
        """The proxy."""
        return f"{self.server}/{self.proxy}"

    def remedy(self) -> str:
        """The API call that enables it."""
        return f'POST {self.server}/proxies/{self.proxy} {{"enabled": true}}'

    def __str__(self) -> str:
        return f"refuse connections on {self.proxy}"
