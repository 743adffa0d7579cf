"""What the controller has to know of stores and traffic to move them: a file that it is given."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from digital_human.database import archive_in
from digital_human.postgres.archive import Archive
from digital_human.postgres.server import Server
from digital_human.topology import ENTRY, STORE, Topology
from digital_human.traffic import Traffic

SUFFIX = ".estate.json"


@dataclass(frozen=True, slots=True)
class StorePlace:
    """A copy of the store: its region, its port, and the ports over which it reaches the others."""

    region: str
    port: int
    reaches: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class User:
    """A dialogue copy: its region, and where it is told of the roles."""

    region: str
    port: int


@dataclass(frozen=True, slots=True)
class Estate:
    """The stores, who uses them, where it is written which is the primary, and the traffic."""

    data: Path
    roles: Path
    stores: Mapping[str, StorePlace]
    users: Mapping[str, User]
    traffic: Traffic

    @classmethod
    def of(cls, topology: Topology, data: Path, roles: Path, traffic: Traffic) -> Estate:
        """What a topology says of them."""
        stores = {
            copy.name: StorePlace(
                copy.region,
                copy.port,
                {
                    link.callee: link.listen
                    for link in topology.from_copy(copy.name)
                    if link.target == STORE
                },
            )
            for copy in topology.of(STORE)
        }
        users = {copy.name: User(copy.region, copy.port) for copy in topology.of(ENTRY)}
        return cls(data, roles, stores, users, traffic)

    def server(self, name: str) -> Server:
        """The server of that copy, for whoever asks it or moves its data."""
        return Server(name, self.data / name, self.stores[name].port)

    def archive(self, name: str) -> Archive:
        """Where that copy archives when it is the primary: in the other region."""
        regions = {place.region for place in self.stores.values()}
        (away,) = regions - {self.stores[name].region}
        return archive_in(self.data, away)

    def write(self, beside: Path) -> None:
        """Write the file that `read` reads."""
        content: dict[str, Any] = {
            "data": str(self.data),
            "roles": str(self.roles),
            "stores": {
                name: {"region": each.region, "port": each.port, "reaches": dict(each.reaches)}
                for name, each in self.stores.items()
            },
            "users": {n: {"region": u.region, "port": u.port} for n, u in self.users.items()},
            "traffic": self.traffic.to_json(),
        }
        beside.with_suffix(SUFFIX).write_text(json.dumps(content, indent=2) + "\n")

    @staticmethod
    def forget(beside: Path) -> None:
        """Remove what an earlier system wrote there."""
        beside.with_suffix(SUFFIX).unlink(missing_ok=True)

    @classmethod
    def read(cls, beside: Path) -> Estate | None:
        """What `write` wrote; None where the platform has no store."""
        path = beside.with_suffix(SUFFIX)
        if not path.exists():
            return None
        content = json.loads(path.read_text())
        return cls(
            Path(content["data"]),
            Path(content["roles"]),
            {name: StorePlace(**each) for name, each in content["stores"].items()},
            {name: User(**each) for name, each in content["users"].items()},
            Traffic.from_json(content["traffic"]),
        )
