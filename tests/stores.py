"""A target of a real primary and its standby, as a target file would describe it."""

from __future__ import annotations

from pathlib import Path

from sloproof.model.stores import Store, StoreCopy
from sloproof.model.target import Entry, Finder, Service, Target
from tests.postgres import Pair


def target_of(made: Pair, folder: Path, platform: str = "local") -> Target:
    """The pair as the store `db`: `db-a` in region a, `db-b` in region b."""
    servers = {"db-a": made.primary, "db-b": made.standby}
    return Target(
        name="pair",
        origin="pair.yaml",
        folder=str(folder),
        platform=platform,
        entry=Entry(url=f"http://127.0.0.1:{made.primary.port}"),
        services={
            name: Service(
                instances=(Finder(name=name, listens=each.port),), region=name.removeprefix("db-")
            )
            for name, each in servers.items()
        },
        stores={
            "db": Store(
                copies=tuple(
                    StoreCopy(instance=name, dsn=each.dsn) for name, each in servers.items()
                )
            )
        },
    )
