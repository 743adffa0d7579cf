"""A standby that applies late what it has received, by PostgreSQL's `recovery_min_apply_delay`."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar

from sloproof.contracts.effect import Effect, Json, Undone
from sloproof.contracts.probe import Witness
from sloproof.effects.postgres import Connection
from sloproof.effects.witness import witness_from_json
from sloproof.errors import EffectError
from sloproof.model.units import Duration

SETTING = "recovery_min_apply_delay"
RELOAD = 3.0
"""Seconds in which a server has to have read its settings anew."""
WRITTEN = """
    select setting from pg_file_settings
    where name = 'recovery_min_apply_delay' and sourcefile like '%/postgresql.auto.conf'
    order by seqno desc limit 1"""
"""What ALTER SYSTEM has written: no row where the setting is not set there."""

IN_USE = "select setting from pg_settings where name = 'recovery_min_apply_delay'"


@dataclass(frozen=True, kw_only=True)
class ReplayDelay(Effect):
    """Changes become visible `delay_ms` after they were committed, by the standby's clock.

    Set by ALTER SYSTEM, so that it holds for a standby that starts anew, too. What anybody else has
    set there since is left alone. A server that is promoted meanwhile applies nothing any more, so
    there the setting has no effect; it is put back all the same.
    """

    kind: ClassVar[str] = "replay_delay"
    settle: ClassVar[Duration] = Duration(500_000_000)
    deadline: ClassVar[Duration] = Duration(10_000_000_000)
    volatile: ClassVar[bool] = False

    dsn: str
    instance: str
    delay_ms: int
    seen_by: Json = field(default_factory=dict)

    @property
    def _ours(self) -> str:
        return f"{self.delay_ms}ms"

    def capture(self) -> Json:
        """What was set there before, None where nothing was.

        Raises `EffectError` where nobody answers, where it is no standby, and where it is late by
        as much already: nobody could tell whose delay that is.
        """
        with self._connected() as server:
            if server.value("select pg_is_in_recovery()") != "t":
                raise EffectError(f"{self.instance} is no standby: it has nothing to apply")
            before = _written(server)
            if before == self._ours or _in_use(server) == self.delay_ms:
                raise EffectError(f"{self.instance} has {SETTING} = {self._ours} before the fault")
            return {"written": before}

    def apply(self, prior: Json) -> None:
        """Set it, and see the server use it."""
        with self._connected() as server:
            _write(server, self._ours)
            _await(server, lambda: _in_use(server) == self.delay_ms)

    def undo(self, prior: Json) -> Undone:
        """Put back what was set before, or nothing, where it is still ours."""
        with self._connected() as server:
            now = _written(server)
            if now not in (self._ours, prior["written"]):
                return Undone.FOREIGN
            if not self._there(server, prior):
                return Undone.ABSENT
            _write(server, prior["written"])
            _await(server, lambda: _in_use(server) != self.delay_ms)
            return Undone.REVERTED

    def present(self, prior: Json) -> bool:
        """Whether our delay is written into its settings, or is in use still."""
        with self._connected() as server:
            return self._there(server, prior)

    def _there(self, server: Connection, prior: Json) -> bool:
        """Who died between writing and having it read has left it in use, though not written."""
        now = _written(server)
        used = now == prior["written"] and _in_use(server) == self.delay_ms
        return now == self._ours or used

    def _connected(self) -> Connection:
        return Connection(self.dsn, name=str(self.owner or "sloproof"))

    def witness(self) -> Witness | None:
        """Writes on the primary, and how long each takes to be visible here."""
        return witness_from_json(self.seen_by)

    def concerns(self) -> str:
        """The copy."""
        return self.instance

    def touches(self) -> str:
        """The setting of this copy."""
        return f"{SETTING} of {self.instance}"

    def remedy(self) -> str:
        """The statements that put it back."""
        return (
            f"on {self.instance}: ALTER SYSTEM RESET {SETTING}; SELECT pg_reload_conf();   "
            f"# or SET it to what it was before"
        )

    def __str__(self) -> str:
        return f"replay {Duration(self.delay_ms * 1_000_000)} late on {self.instance}"


def _written(server: Connection) -> str | None:
    rows = server.ask(WRITTEN)
    return rows[0][0] if rows else None


def _in_use(server: Connection) -> int:
    """The delay that the server works with, in milliseconds."""
    return int(server.value(IN_USE))


def _write(server: Connection, value: str | None) -> None:
    """ALTER SYSTEM replaces the file at once, so a death in between leaves the old or the new."""
    quoted = "" if value is None else value.replace("'", "''")
    change = f"RESET {SETTING}" if value is None else f"SET {SETTING} = '{quoted}'"
    server.ask(f"ALTER SYSTEM {change}")
    server.value("select pg_reload_conf()")


def _await(server: Connection, there: Callable[[], bool]) -> None:
    deadline = time.monotonic() + RELOAD
    while not there():
        if time.monotonic() > deadline:
            raise EffectError(f"{server.place} did not read its settings within {RELOAD:g} s")
        time.sleep(0.005)
