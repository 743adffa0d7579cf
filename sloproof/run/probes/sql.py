"""`sql`: what a database answers to a query.

`value` is the first column of the first row, if that is a number. Details: `missing` (no row),
`unexpected` (not what `expect` says), `nan` (a number that isn't finite), `sql XXXXX` (the server's
own error, by its SQLSTATE), and those of a connection: `refused`, `timeout`, `unreachable`,
`unresolved`, `read-only` (no host that can be written), `full`, `starting`, `stopping`, `lost`.
Samples share one connection, so they never overlap: a tick that finds the one before still waiting
is `busy`. A connection that broke, or whose sample timed out, is made anew by the next one.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from numbers import Real
from typing import Any, ClassVar

from sloproof.contracts import Probe, Sample
from sloproof.run.sql import alive, connect, hang_up, psycopg, rows, word

Plain = bool | int | float | str


@dataclass(slots=True)
class Kept:
    """The connection, if there is one now."""

    connection: Any = None


@dataclass(frozen=True, kw_only=True)
class Sql(Probe):
    """Sends `query` to the database at `dsn`; good is any row, or one that begins with `expect`.

    `fresh` makes a connection for each sample.
    """

    kind: ClassVar[str] = "sql"

    dsn: str
    query: str
    expect: Plain | None = None
    fresh: bool = False

    @cached_property
    def _kept(self) -> Kept:
        return Kept()

    async def open(self) -> None:
        """Find psycopg, which is an extra."""
        psycopg()

    async def sample(self) -> Sample:
        """Ask once."""
        connection, self._kept.connection = self._kept.connection, None
        if connection is not None and (self.fresh or not alive(connection)):
            hang_up(connection)
            connection = None
        try:
            connection = connection or await connect(self.dsn)
            found = await rows(connection, self.query)
        except (psycopg().Error, OSError) as error:
            if connection is not None:
                hang_up(connection)
            return Sample(ok=False, detail=word(error))
        self._kept.connection = connection
        return self.read(found[0] if found else None)

    def read(self, row: tuple[Any, ...] | None) -> Sample:
        """The sample that the first row gives."""
        if row is None:
            return Sample(ok=False, detail="missing")
        first = row[0] if row else None
        number = isinstance(first, Real | Decimal) and not isinstance(first, bool)
        value = float(first) if number and first is not None else None
        good = self.expect is None or first == self.expect or str(first) == str(self.expect)
        return Sample(ok=good, value=value, detail="" if good else "unexpected")

    async def close(self) -> None:
        """Hang up."""
        if self._kept.connection is not None:
            hang_up(self._kept.connection)
            self._kept.connection = None
