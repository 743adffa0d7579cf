"""What dialogue remembers: sessions, turns, marks and notes, in the store and before it the cache.

Writes go to the primary, each committed by itself; reads to a standby, which may be behind, and
from there to the primary where it knows nothing. A session lives in the shard that its id tells.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from digital_human.cache import Cache
from digital_human.postgres.shards import SHARDS, schema_of
from digital_human.sessions import Session
from digital_human.settings import DatabaseSettings
from digital_human.stores import Stores

Answers = dict[str, bool]

_BEGIN = """
insert into {shard}.sessions (id, created_at) values (%s, to_timestamp(%s / 1000.0))
on conflict do nothing
"""
_TURN = """
insert into {shard}.turns (session_id, number, said, reply, degraded)
select %s, coalesce(max(number), 0) + 1, %s, %s, %s from {shard}.turns where session_id = %s
returning number
"""
_FEEDBACK = """
insert into {shard}.feedback (session_id, satisfaction, completed, accurate, solved)
values (%s, %s, %s, %s, %s)
"""
# A request that the gateway sends again writes no second note. It writes the first one anew: a
# commit that changes nothing would not wait for a synchronous standby, and so acknowledge a note
# that only this primary has.
_NOTE = """
insert into {shard}.notes (id, text) values (%s, %s)
on conflict (id) do update set text = excluded.text
"""
_SHOW_NOTE = "select text from {shard}.notes where id = %s"
_SHOW = """
select (select count(*) from {shard}.turns where session_id = sessions.id)
from {shard}.sessions where id = %s
"""
_TURNS = """
select number, said, reply, degraded from {shard}.turns
where session_id = %s order by number desc limit %s
"""
_NEWEST = """
select id, (select count(*) from {shard}.turns where session_id = sessions.id)
from {shard}.sessions order by created_at desc limit %s
"""


class Memory:
    """Dialogue's memory. Everything raises `StoreUnavailable` where the store doesn't answer."""

    def __init__(self, stores: Stores, cache: Cache | None, settings: DatabaseSettings) -> None:
        self.stores = stores
        self._cache = cache
        self._page = settings.page

    @asynccontextmanager
    async def awake(self) -> AsyncIterator[Memory]:
        """Connected for as long as this lasts."""
        async with self.stores:
            try:
                yield self
            finally:
                if self._cache is not None:
                    await self._cache.close()

    async def begin(self, session: Session) -> None:
        """Remember that a session began."""
        await self.stores.write(_in(session.id, _BEGIN), (session.id, session.created_ms))
        await self._keep(session, 0)

    async def turn(self, session: Session, said: str, reply: str, degraded: list[str]) -> None:
        """Remember what was said and answered."""
        values = (session.id, said, reply, degraded, session.id)
        rows = await self.stores.write(_in(session.id, _TURN), values)
        await self._keep(session, rows[0][0])

    async def feedback(self, session: Session, satisfaction: int, answers: Answers) -> None:
        """Remember what a person thought of it."""
        told = (answers.get(name) for name in ("completed", "accurate", "solved"))
        await self.stores.write(_in(session.id, _FEEDBACK), (session.id, satisfaction, *told))

    async def show(self, session: Session) -> dict[str, Any] | None:
        """The session as it was written last; None where nobody remembers it."""

        async def behind() -> dict[str, Any] | None:
            rows = await self._seen(_in(session.id, _SHOW), (session.id,))
            return {"turns": rows[0][0]} if rows else None

        if self._cache is None:
            return await behind()
        return await self._cache.get(f"session:{session.id}", behind)

    async def turns(self, session: Session) -> list[dict[str, Any]]:
        """The newest turns of a session, a page at most."""
        rows = await self.stores.read(_in(session.id, _TURNS), (session.id, self._page))
        names = ("number", "said", "reply", "degraded")
        return [dict(zip(names, row, strict=True)) for row in rows]

    async def note(self, key: str, text: str) -> None:
        """Keep a note for good: it is on the primary's disk when this returns."""
        await self.stores.write(_in(key, _NOTE), (key, text))

    async def show_note(self, key: str) -> str | None:
        """A note's text; None where there is no such."""
        rows = await self._seen(_in(key, _SHOW_NOTE), (key,))
        return str(rows[0][0]) if rows else None

    async def warm(self, count: int) -> int:
        """Let the cache have the newest sessions; how many it took."""
        if self._cache is None:
            return 0
        each = -(-count // SHARDS)
        found = []
        for number in range(SHARDS):
            rows = await self.stores.read(_NEWEST.format(shard=f"shard_{number}"), (each,))
            found += [(f"session:{name}", {"turns": turns}) for name, turns in rows]
        return await self._cache.warm(found)

    async def _seen(self, statement: str, values: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        """Rows from a standby; where it has none, from the primary: it may just be behind."""
        return await self.stores.read(statement, values) or await self.stores.read_primary(
            statement, values
        )

    async def _keep(self, session: Session, turns: int) -> None:
        if self._cache is not None:
            await self._cache.put(f"session:{session.id}", {"turns": turns})


def _in(key: str, statement: str) -> str:
    """The statement in the shard of that key."""
    return statement.format(shard=schema_of(key))
