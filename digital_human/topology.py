"""Which copies there are, on which ports, and which proxied links join them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from digital_human.ports import LOOPBACK

COPIES: Mapping[str, int] = {"dialogue": 2, "speech": 1}
CALLS: Mapping[str, tuple[str, ...]] = {"dialogue": ("speech",)}
ENTRY = "dialogue"


@dataclass(frozen=True, slots=True)
class Copy:
    """One instance of a service; it keeps its port when it is restarted."""

    service: str
    name: str
    port: int

    @property
    def key(self) -> str:
        """The name as it stands in dotted paths."""
        return self.name.replace("-", "_")

    def to_json(self) -> dict[str, Any]:
        """As the state file shows it."""
        return {"service": self.service, "port": self.port, "url": url(self.port)}


@dataclass(frozen=True, slots=True)
class Link:
    """A way through Toxiproxy: what connects to `listen` reaches `upstream`.

    `caller` is the copy that uses the link, where the calling service has copies of its own here;
    `callee` is the copy at its end.
    """

    source: str
    target: str
    proxy: str
    listen: int
    upstream: int
    callee: str
    caller: str | None = None

    @property
    def key(self) -> str:
        """The name as it stands in dotted paths."""
        return self.proxy.replace("-", "_")

    def to_json(self) -> dict[str, Any]:
        """As the state file shows it."""
        end = {"instance": self.callee} if self.caller is None else {"from_instance": self.caller}
        return {
            "from": self.source,
            "to": self.target,
            **end,
            "proxy": self.proxy,
            "listen": f"{LOOPBACK}:{self.listen}",
        }


@dataclass(frozen=True, slots=True)
class Topology:
    """The system as planned: every copy and link with its port."""

    copies: tuple[Copy, ...]
    links: tuple[Link, ...]

    def copy(self, name: str) -> Copy:
        """The copy of that name. Raises `KeyError`."""
        for copy in self.copies:
            if copy.name == name:
                return copy
        raise KeyError(name)

    def entry(self) -> tuple[Link, ...]:
        """The links over which the gateway balances."""
        return tuple(link for link in self.links if link.caller is None)

    def callers(self) -> tuple[str, ...]:
        """The copies that call others."""
        return tuple(dict.fromkeys(link.caller for link in self.links if link.caller is not None))

    def from_copy(self, name: str) -> tuple[Link, ...]:
        """The links that the copy of that name calls through."""
        return tuple(link for link in self.links if link.caller == name)


def plan(reserve: Callable[[], int]) -> Topology:
    """Lay the system out on ports that `reserve` gives."""
    copies = tuple(
        Copy(service, f"{service}-{number}", reserve())
        for service, count in COPIES.items()
        for number in range(1, count + 1)
    )
    entry = [
        Link("gateway", ENTRY, f"gateway-{copy.name}", reserve(), copy.port, copy.name)
        for copy in copies
        if copy.service == ENTRY
    ]
    # A callee with several copies would need a balancer between; none has so far.
    first = {copy.service: copy for copy in reversed(copies)}
    calls = [
        Link(
            caller.service,
            target,
            f"{caller.name}-{target}",
            reserve(),
            first[target].port,
            first[target].name,
            caller.name,
        )
        for caller in copies
        for target in CALLS.get(caller.service, ())
    ]
    return Topology(copies, (*entry, *calls))


def url(port: int) -> str:
    """The address of a loopback port."""
    return f"http://{LOOPBACK}:{port}"
