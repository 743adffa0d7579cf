"""Holds connections of a PostgreSQL server until its standard input ends: a program of its own.

It reads one line of JSON, `{"dsn": …, "left": N, "name": …}`, says `holding` once ordinary clients
can open at most `left` more, and takes what others give back from then on. What it never takes are
the slots that the server keeps for superusers.
"""

from __future__ import annotations

import json
import select
import sys
from contextlib import suppress

from sloproof.effects.postgres import Connection
from sloproof.errors import EffectError

EVERY = 0.01
"""Seconds between two looks."""
AT_MOST = 10_000
FREE = """
    select current_setting('max_connections')::int
         - (select coalesce(sum(setting::int), 0) from pg_settings
            where name in ('superuser_reserved_connections', 'reserved_connections'))
         - (select count(*) from pg_stat_activity where backend_type = 'client backend')"""
"""How many more connections ordinary clients can open now; the asking one is among those open.

What is reserved for privileged users is not theirs; the second reserve is new in PostgreSQL 16.
"""


def free(server: Connection) -> int:
    """How many more connections ordinary clients can open now, below 0 where reserve is used."""
    return int(server.value(FREE))


class Holder:
    """The connections that are held; the first of them asks how many are left."""

    def __init__(self, dsn: str, name: str) -> None:
        self._dsn = dsn
        self._name = name
        self._held: list[Connection] = []

    def take(self, left: int) -> None:
        """Open as many as leave `left`; one that took from the reserve is given back.

        Others may be using the reserve: then nothing of what was held before is given back, or an
        ordinary client would get in. Raises `EffectError` where the server can't be asked any more.
        """
        if not self._held:
            self._held.append(self._open())
        asker = self._held[0]
        while len(self._held) < AT_MOST and free(asker) > left:
            try:
                latest = self._open()
            except EffectError:
                return  # somebody was quicker: the next look will tell
            if free(asker) < 0:
                latest.close()
                return
            self._held.append(latest)

    def drop(self) -> None:
        """Hang up, as after a server's end."""
        for one in self._held:
            one.close()
        self._held.clear()

    def _open(self) -> Connection:
        return Connection(self._dsn, name=self._name)


def main() -> int:
    """Hold until nobody is there any more to hold for; the exit status is 0, or 1 with why."""
    wanted = json.loads(sys.stdin.readline() or "{}")
    if not wanted:
        return 0
    holder = Holder(wanted["dsn"], wanted["name"])
    try:
        holder.take(wanted["left"])
    except EffectError as error:
        sys.stdout.write(f"{error}\n")
        return 1
    sys.stdout.write("holding\n")
    sys.stdout.flush()
    while not select.select([sys.stdin], [], [], EVERY)[0]:
        try:
            holder.take(wanted["left"])
        except EffectError:  # it went away, and may come back
            holder.drop()
    with suppress(EffectError):
        holder.drop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
