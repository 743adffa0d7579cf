"""What a primary knows of its standbys: how far behind they are, their slots, whom it waits for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from digital_human.postgres import sql

_LAG = """
select application_name, state, sync_state,
    pg_wal_lsn_diff(pg_current_wal_lsn(), coalesce(replay_lsn, '0/0'))::bigint,
    coalesce(extract(epoch from replay_lag), 0)::float
from pg_stat_replication order by application_name
"""


@dataclass(frozen=True, slots=True)
class Lag:
    """How far a standby is behind its primary.

    `replay_bytes` is WAL written but not replayed there; `replay_seconds` what the last replayed
    commit waited, 0 while there was nothing to replay.
    """

    standby: str
    state: str
    synchronous: bool
    replay_bytes: int
    replay_seconds: float


async def lag(dsn: str, within: float = 2.0) -> list[Lag]:
    """The connected standbys of the primary at `dsn`, none if none is; raises `PostgresError`."""
    found = await sql.rows(dsn, _LAG, within=within)
    return [
        Lag(name, state, sync in {"sync", "quorum"}, size, seconds)
        for name, state, sync, size, seconds in found
    ]


async def ensure_slot(dsn: str, slot: str, within: float = 5.0) -> bool:
    """Create a physical replication slot; `False` if it is there already."""
    made = await sql.rows(
        dsn,
        "select pg_create_physical_replication_slot(%s, true) "
        "where not exists (select from pg_replication_slots where slot_name = %s)",
        [slot, slot],
        within=within,
    )
    return bool(made)


async def drop_slot(dsn: str, slot: str, within: float = 5.0) -> bool:
    """Drop a slot, which lets go of the WAL kept for it; `False` if there is none.

    Raises `SqlFailed` while a standby uses it.
    """
    gone = await sql.rows(
        dsn,
        "select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = %s",
        [slot],
        within=within,
    )
    return bool(gone)


async def slots(dsn: str, within: float = 2.0) -> dict[str, str]:
    """Every slot and what became of its WAL: `reserved`, `extended`, `unreserved` or `lost`."""
    found = await sql.rows(
        dsn, "select slot_name, coalesce(wal_status, '') from pg_replication_slots", within=within
    )
    return dict(found)


async def wait_for(dsn: str, standbys: Sequence[str], within: float = 5.0) -> None:
    """Have commits wait until one of `standbys` has flushed them; without any, for none.

    Synchronous replication on and off, at run time. Raises `PostgresError`.
    """
    names = ", ".join('"' + name.replace('"', '""') + '"' for name in standbys)
    text = f"ANY 1 ({names})" if standbys else ""
    async with sql.connected(dsn, within) as connection:
        # ALTER SYSTEM takes no parameters.
        await connection.execute(
            "alter system set synchronous_standby_names = '" + text.replace("'", "''") + "'"
        )
        await connection.execute("select pg_reload_conf()")
