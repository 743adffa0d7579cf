"""What is in the database, as row counts and checksums, to tell whether two have the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from digital_human.postgres import sql
from digital_human.postgres.schema import TABLES
from digital_human.postgres.shards import SHARDS

NAMES = tuple(f"shard_{shard}.{table}" for shard in range(SHARDS) for table in TABLES)
# A sum does not depend on the order of the rows, and unlike an exclusive or counts equal ones.
_FINGERPRINT = (
    "select count(*), coalesce(sum(hashtextextended(each::text, 0)), 0)::text from {table} as each"
)
_ORPHANS = (
    "select count(*) from shard_{shard}.{table} as each where not exists "
    "(select from shard_{shard}.sessions as s where s.id = each.session_id)"
)


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What a table holds: its rows, and a checksum over all columns of all of them."""

    rows: int
    checksum: str


@dataclass(frozen=True, slots=True)
class Moment:
    """What all tables held when the WAL had that restore point at that position."""

    lsn: str
    wal: str
    tables: dict[str, Fingerprint]


async def contents(dsn: str, within: float = 30.0) -> dict[str, Fingerprint]:
    """Every table's fingerprint; reading all rows also checks the pages' own checksums."""
    async with sql.connected(dsn, within) as connection:
        return await _read(connection)


async def mark(dsn: str, name: str, within: float = 3.0) -> Moment:
    """Set a restore point, and say what the tables held exactly there.

    Writers wait meanwhile: without that, no position in the WAL would belong to what was read.
    They wait as long as reading takes, and `within` seconds at most, after which it is given up
    with `Unreachable` or `SqlFailed`.
    """
    point = "select lsn::text, pg_walfile_name(lsn) from pg_create_restore_point(%s) as lsn"
    async with sql.connected(dsn, within) as connection, connection.transaction():
        await connection.execute(f"lock table {', '.join(NAMES)} in share mode")
        tables = await _read(connection)
        cursor = await connection.execute(point, [name])
        lsn, wal = await cursor.fetchone()
    return Moment(lsn, wal, tables)


async def disorder(dsn: str, within: float = 30.0) -> list[str]:
    """What contradicts itself in the database: rows that lack their session."""
    found = []
    async with sql.connected(dsn, within) as connection:
        for shard in range(SHARDS):
            for table in ("turns", "feedback"):
                query = _ORPHANS.format(shard=shard, table=table)
                cursor = await connection.execute(query)
                (count,) = await cursor.fetchone()
                if count:
                    found.append(f"{count} rows of shard_{shard}.{table} lack their session")
    return found


def differences(expected: dict[str, Fingerprint], found: dict[str, Fingerprint]) -> list[str]:
    """Where two databases differ, table by table, in words."""
    told = []
    for name in sorted(expected.keys() | found.keys()):
        wanted, there = expected.get(name), found.get(name)
        if wanted is None or there is None:
            told.append(f"{name} is {'new' if wanted is None else 'missing'}")
        elif wanted.rows != there.rows:
            told.append(f"{name} has {there.rows} rows instead of {wanted.rows}")
        elif wanted.checksum != there.checksum:
            told.append(f"{name} has as many rows, but others")
    return told


async def _read(connection: Any) -> dict[str, Fingerprint]:
    found = {}
    for name in NAMES:
        cursor = await connection.execute(_FINGERPRINT.format(table=name))
        rows, checksum = await cursor.fetchone()
        found[name] = Fingerprint(rows, checksum)
    return found
