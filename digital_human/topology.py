"""Which copies there are, in which regions, on which ports, and which proxied links join them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import permutations
from typing import Any

from digital_human.ports import LOOPBACK

CALLS: Mapping[str, tuple[str, ...]] = {"dialogue": ("speech", "knowledge", "cache")}
"""Who calls whom inside a region."""
ENTRY = "dialogue"
STORE = "store"
ARCHIVE = "archive"
CACHE = "cache"
CONTROLLER = "controller"
SCHEMES: Mapping[str, str] = {CACHE: "redis", STORE: "postgresql"}
"""How a service is spoken to, where it isn't HTTP."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How many copies of each service stand in each region."""

    regions: tuple[str, ...]
    copies: Mapping[str, int]


ONE_PLACE = Layout(("",), {"dialogue": 2, "speech": 1})
"""No regions and no data: what the conversation itself needs."""
TWO_REGIONS = Layout(
    ("a", "b"), {"dialogue": 2, "speech": 1, "knowledge": 1, "cache": 1, "store": 1, "archive": 1}
)


@dataclass(frozen=True, slots=True)
class Copy:
    """One instance of a service; it keeps its port when it is restarted."""

    service: str
    name: str
    port: int
    region: str = ""

    @property
    def key(self) -> str:
        """The name as it stands in dotted paths."""
        return self.name.replace("-", "_")

    @property
    def speaks_http(self) -> bool:
        """Whether it is one of our own services."""
        return self.service not in SCHEMES

    def to_json(self) -> dict[str, Any]:
        """As the state file shows it."""
        region = {"region": self.region} if self.region else {}
        return {
            "service": self.service,
            **region,
            "port": self.port,
            "url": address(self.service, self.port),
        }


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

    @property
    def entry(self) -> bool:
        """Whether the gateway balances over it."""
        return self.caller is None and self.target == ENTRY

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

    def of(self, service: str) -> tuple[Copy, ...]:
        """The copies of that service."""
        return tuple(copy for copy in self.copies if copy.service == service)

    def entry(self) -> tuple[Link, ...]:
        """The links over which the gateway balances."""
        return tuple(link for link in self.links if link.entry)

    def callers(self) -> tuple[str, ...]:
        """The copies that write down whom they call."""
        found = (link.caller for link in self.links if link.source == ENTRY)
        return tuple(dict.fromkeys(caller for caller in found if caller is not None))

    def from_copy(self, name: str) -> tuple[Link, ...]:
        """The links that the copy of that name calls through."""
        return tuple(link for link in self.links if link.caller == name)

    def between(self, caller: str, callee: str) -> Link:
        """The link from one copy to another. Raises `KeyError`."""
        for link in self.links:
            if (link.caller, link.callee) == (caller, callee):
                return link
        raise KeyError(f"{caller} → {callee}")

    def to_archive(self, store: str) -> Link:
        """The link over which a copy of the store archives, into another region."""
        return next(link for link in self.from_copy(store) if link.target == ARCHIVE)

    def from_controller(self) -> tuple[Link, ...]:
        """The links over which the controller asks the stores."""
        return tuple(link for link in self.links if link.source == CONTROLLER)


def plan(reserve: Callable[[], int], layout: Layout = ONE_PLACE) -> Topology:
    """Lay the system out on ports that `reserve` gives."""
    copies = tuple(
        Copy(service, _name(service, region, number), reserve(), region)
        for region in layout.regions
        for service, count in layout.copies.items()
        for number in range(1, count + 1)
    )
    links = (*_entry(copies), *_calls(copies), *_to_stores(copies), *_to_archives(copies))
    return Topology(copies, tuple(_link(*ends, reserve()) for ends in links))


Ends = tuple[str, Copy | None, Copy, str]
"""A link's calling service and copy, the copy it calls, and its proxy's name."""


def _entry(copies: tuple[Copy, ...]) -> Iterator[Ends]:
    for copy in copies:
        if copy.service == ENTRY:
            yield "gateway", None, copy, f"gateway-{copy.name}"


def _calls(copies: tuple[Copy, ...]) -> Iterator[Ends]:
    """Inside each region. A callee with several copies would need a balancer; none has so far."""
    first = {(copy.region, copy.service): copy for copy in reversed(copies)}
    for caller in copies:
        for target in CALLS.get(caller.service, ()):
            callee = first.get((caller.region, target))
            if callee is not None:
                yield caller.service, caller, callee, f"{caller.name}-{target}"


def _to_stores(copies: tuple[Copy, ...]) -> Iterator[Ends]:
    """Every dialogue and the controller reach every store, and each store the others."""
    stores = [copy for copy in copies if copy.service == STORE]
    for caller in copies:
        for store in stores:
            if caller.service == ENTRY:
                yield caller.service, caller, store, f"{caller.name}-{store.name}"
    for one, other in permutations(stores, 2):
        yield STORE, one, other, f"{one.name}-{other.name}"
    for store in stores:
        yield CONTROLLER, None, store, f"{CONTROLLER}-{store.name}"


def _to_archives(copies: tuple[Copy, ...]) -> Iterator[Ends]:
    """Each store archives into the next region."""
    archives = [copy for copy in copies if copy.service == ARCHIVE]
    for store in (copy for copy in copies if copy.service == STORE):
        away = next(each for each in archives if each.region != store.region)
        yield STORE, store, away, f"{store.name}-{ARCHIVE}"


def _link(source: str, caller: Copy | None, callee: Copy, proxy: str, listen: int) -> Link:
    name = None if caller is None else caller.name
    return Link(source, callee.service, proxy, listen, callee.port, callee.name, name)


def _name(service: str, region: str, number: int) -> str:
    return "-".join(filter(None, (service, region, str(number))))


def address(service: str, port: int) -> str:
    """Where a copy of that service answers, or the proxy before it."""
    scheme = SCHEMES.get(service, "http")
    user, path = ("postgres@", "/digital_human") if service == STORE else ("", "")
    return f"{scheme}://{user}{LOOPBACK}:{port}{path}"


def url(port: int) -> str:
    """The address of a loopback port."""
    return f"http://{LOOPBACK}:{port}"
