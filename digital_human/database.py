"""The store's copies: where their data is, and how the first becomes the primary of the others."""

from __future__ import annotations

import shutil
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from pathlib import Path

from digital_human.ports import LOOPBACK
from digital_human.postgres import binaries, place, shipping
from digital_human.postgres.archive import Archive
from digital_human.postgres.errors import Unfit
from digital_human.postgres.replication import wait_for
from digital_human.postgres.server import Server
from digital_human.roles import Roles
from digital_human.settings import BackupSettings, Settings
from digital_human.topology import STORE, Topology


def data_folder(wanted: Path) -> Path:
    """Where the data are: in `wanted`, else in a place that PostgreSQL's account can reach."""
    return place.place(wanted, binaries.find())


def remove_data(wanted: Path) -> None:
    """Remove what `data_folder` gave, if it is there; mounts in it are only emptied."""
    try:
        place.remove(wanted, binaries.find())
    except (Unfit, OSError):
        return  # without PostgreSQL there never was any


def slot_of(standby: str) -> str:
    """The slot that keeps on a primary what this standby has not read yet."""
    return standby.replace("-", "_")


def archive_in(data: Path, region: str) -> Archive:
    """Where that region keeps what the other one's primary archives."""
    return Archive(data / f"archive-{region}")


def servers(data: Path, topology: Topology, settings: BackupSettings) -> Mapping[str, Server]:
    """The server of each copy of the store, which archives over its link to another region."""
    found = {}
    for copy in topology.of(STORE):
        server = Server(copy.name, data / copy.name, copy.port)
        if settings.enabled:
            server = replace(
                server,
                archive_command=shipping.command(topology.to_archive(copy.name).listen, copy.name),
                archive_timeout=max(1, round(settings.segment)),
            )
        found[copy.name] = server
    return found


async def found(
    data: Path,
    topology: Topology,
    roles: Path,
    start: Callable[[str], Awaitable[None]],
    settings: Settings,
) -> None:
    """Make empty data, start the first copy, and the others as its standbys over their links.

    `start` starts a copy and returns once it answers. Raises `PostgresError`.
    """
    primary, *others = servers(data, topology, settings.backup).values()
    for each in (primary, *others):
        shutil.rmtree(each.folder, ignore_errors=True)
    for region in {copy.region for copy in topology.of(STORE)}:
        archive = archive_in(data, region)
        shutil.rmtree(archive.folder, ignore_errors=True)
        archive.prepare()
    await primary.initialise()
    Roles(primary.name).write(roles)
    await start(primary.name)
    for standby in others:
        link = topology.between(standby.name, primary.name)
        await standby.clone(LOOPBACK, link.listen, slot_of(standby.name))
        if not settings.replication.enabled:
            standby.follow_nobody()
        await start(standby.name)
    if settings.synchronous.enabled:
        await wait_for(primary.dsn, [standby.name for standby in others])
