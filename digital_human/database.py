"""The store's copies: where their data is, and how the first becomes the primary of the others."""

from __future__ import annotations

import shutil
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from digital_human.ports import LOOPBACK
from digital_human.postgres import binaries, place
from digital_human.postgres.errors import Unfit
from digital_human.postgres.replication import wait_for
from digital_human.postgres.server import Server
from digital_human.roles import Roles
from digital_human.topology import STORE, Topology


def data_folder(folder: Path) -> Path:
    """Where the data of the system in `folder` is: a place that PostgreSQL's account can reach."""
    return place.place(folder / "data", binaries.find())


def remove_data(folder: Path) -> None:
    """Remove the data of the system in `folder`, if there is any."""
    try:
        place.remove(folder / "data", binaries.find())
    except Unfit:
        return  # without PostgreSQL there never was any


def slot_of(standby: str) -> str:
    """The slot that keeps on a primary what this standby has not read yet."""
    return standby.replace("-", "_")


def servers(data: Path, topology: Topology) -> Mapping[str, Server]:
    """The server of each copy of the store."""
    return {
        copy.name: Server(copy.name, data / copy.name, copy.port) for copy in topology.of(STORE)
    }


async def found(
    data: Path,
    topology: Topology,
    roles: Path,
    start: Callable[[str], Awaitable[None]],
    *,
    synchronous: bool,
) -> None:
    """Make empty data, start the first copy, and the others as its standbys over their links.

    `start` starts a copy and returns once it answers. `synchronous` commits wait for a standby.
    Raises `PostgresError`.
    """
    primary, *others = servers(data, topology).values()
    for server in (primary, *others):
        shutil.rmtree(server.folder, ignore_errors=True)
    await primary.initialise()
    Roles(primary.name).write(roles)
    await start(primary.name)
    for standby in others:
        link = topology.between(standby.name, primary.name)
        await standby.clone(LOOPBACK, link.listen, slot_of(standby.name))
        await start(standby.name)
    if synchronous:
        await wait_for(primary.dsn, [standby.name for standby in others])
