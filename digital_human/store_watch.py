"""How the controller looks at the stores, each look and each sign of replication on the record."""

from __future__ import annotations

import time
from pathlib import Path

from digital_human.call_log import CallLog
from digital_human.custody import Custody
from digital_human.parent import PARENT
from digital_human.ports import LOOPBACK
from digital_human.postgres import sql
from digital_human.postgres.errors import PostgresError
from digital_human.probing import is_primary
from digital_human.topology import CONTROLLER, STORE

SILENCE_NS = 700_000_000
"""A primary that is written to, if only by its own bookkeeping, is not silent for so long."""
_RECEIVED = """
select extract(epoch from last_msg_send_time), extract(epoch from last_msg_receipt_time)
from pg_stat_wal_receiver where status = 'streaming'
"""


class StoreWatch:
    """Asks the stores over the controller's links. Belongs to one event loop."""

    def __init__(self, custody: Custody, calls: Path, within: float) -> None:
        self._custody = custody
        self._within = within
        self._own = CallLog(CONTROLLER, CONTROLLER, calls)
        self._between = {name: CallLog(STORE, name, calls) for name in custody.estate.stores}
        self._heard: dict[str, int] = {}

    async def check(self, name: str, address: str) -> bool:
        """Whether a store is what it should be, primary or standby. Raises as `is_primary` does."""
        PARENT.set(CONTROLLER)
        began = time.monotonic_ns()
        try:
            found = await is_primary(address, self._within)
        except OSError as error:
            outcome = "refused" if isinstance(error, ConnectionError) else "reset"
            self._own.note(STORE, began, outcome, address=address)
            raise
        except TimeoutError:
            self._own.note(STORE, began, "timeout", address=address)
            raise
        self._own.note(STORE, began, "ok", address=address)
        if not found:
            await self._note_replication(name)
        return found == (name == self._custody.primary)

    async def _note_replication(self, standby: str) -> None:
        """What the standby heard of its primary last, or for how long it has heard nothing."""
        place = self._custody.estate.stores[standby]
        way = place.reaches.get(self._custody.primary)
        if way is None:
            return
        address = f"postgresql://{LOOPBACK}:{way}"
        try:
            rows = await sql.rows(self._custody.server(standby).dsn, _RECEIVED, within=self._within)
        except PostgresError:
            return
        now = time.monotonic_ns()
        before = self._heard.get(standby, now)
        if not rows:
            self._between[standby].note(STORE, before, "timeout", address=address)
            return
        wall = time.time_ns()
        sent, heard = (now + int(float(each) * 1e9) - wall for each in rows[0])
        if heard > before:
            self._between[standby].note(STORE, sent, "ok", address=address, until_ns=heard)
        elif now - heard > SILENCE_NS:
            self._between[standby].note(STORE, heard, "timeout", address=address)
        self._heard[standby] = heard
