"""What a primary knows of its standbys: how far behind they are, their slots, whom it waits for."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from digital_human.postgres import sql

POLL_S = 0.05
# A standby that left is known by its slot; one that never had a slot, only while it is connected.
_LAG = """
select coalesce(r.application_name, s.slot_name), coalesce(r.state, 'disconnected'),
    coalesce(r.sync_state, ''),
    pg_wal_lsn_diff(
        pg_current_wal_lsn(), coalesce(r.replay_lsn, s.restart_lsn, '0/0'))::bigint,
    extract(epoch from r.replay_lag)::float
from (select * from pg_stat_replication where state in ('startup', 'catchup', 'streaming')) as r
full join (select * from pg_replication_slots where slot_type = 'physical' and not temporary) as s
    on s.active_pid = r.pid
order by 1
"""


@dataclass(frozen=True, slots=True)
class Lag:
    """How far a standby is behind its primary.

    `standby` is its server's name, or its slot's while `state` is `disconnected`. `replay_bytes` is
    WAL written but not known to be replayed there; `replay_seconds` what the last replayed commit
    waited, 0 while there was nothing to replay, and `None` of one that is disconnected.
    """

    standby: str
    state: str
    synchronous: bool
    replay_bytes: int
    replay_seconds: float | None


async def lag(dsn: str, within: float = 2.0) -> list[Lag]:
    """The standbys of the primary at `dsn`. Raises `PostgresError`."""
    found = await sql.rows(dsn, _LAG, within=within)
    return [
        Lag(
            name,
            state,
            sync in {"sync", "quorum"},
            size,
            None if state == "disconnected" else seconds or 0.0,
        )
        for name, state, sync, size, seconds in found
    ]


async def streams(dsn: str, standby: str, within: float) -> None:
    """Return once the standby streams and has replayed all that had been written when this began.

    Raises `Unreachable` if that takes longer than `within` seconds, else `PostgresError`.
    """
    question = (
        "select pg_wal_lsn_diff(%s, coalesce(replay_lsn, '0/0')) <= 0 from pg_stat_replication "
        "where application_name = %s and state = 'streaming'"
    )
    async with sql.connected(dsn, within) as connection:
        cursor = await connection.execute("select pg_current_wal_lsn()::text")
        (goal,) = await cursor.fetchone()
        while True:
            cursor = await connection.execute(question, [goal, standby])
            if (True,) in await cursor.fetchall():
                return
            await asyncio.sleep(POLL_S)


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
