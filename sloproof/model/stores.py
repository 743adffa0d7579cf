"""What of a target holds data: volumes with a size, stores with copies, ledgers of writes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sloproof.model.addressing import Command, HttpCall, Late, Name
from sloproof.model.units import Duration, Size


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """A volume of the target with a size of its own; disk faults act on such volumes only.

    Either `path` is a mount of its own, whose size is that of its file system, or it is a plain
    folder with a declared `budget`, against which the bytes in it count.
    """

    path: Late
    """Where it is mounted, or the folder."""
    budget: Size | None = None
    """So much may a plain folder hold; left out for a mount. Nobody but the target enforces it."""
    instance: str = ""
    """The copy that works on it: who met a fault of the volume is counted there."""
    keeps: str = ""
    """The copy of a store whose data or log is on it, if that is another one: `role` asks of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreCopy:
    """One copy of a store: the instance that keeps it, and how it is reached by SQL."""

    instance: Name
    """The copy of a service that keeps it."""
    dsn: Late
    """Where it answers: `postgresql://user@127.0.0.1:5432/name`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """Data kept in several copies, one of them the primary. `kind` says what language it speaks."""

    kind: Literal["postgresql"] = "postgresql"
    """What it is."""
    copies: tuple[StoreCopy, ...]
    """Every copy that should have every write."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SqlWrite:
    """One write by SQL. The statement has the placeholders `%(id)s`, `%(run)s`, `%(sequence)s`."""

    dsn: Late
    """Where the writer connects; may name several hosts with `target_session_attrs=read-write`."""
    statement: str
    """Writes one row; committed by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerSpec:
    """How sequenced writes go into a store, and how each of its copies tells which it has.

    In the request's address and body, `{id}`, `{run}` and `{sequence}` stand for the write's own.
    `read` is a query with the placeholder `%(run)s`; the first column of its rows is the id.
    """

    store: Name
    """The store whose copies are read back."""
    http: HttpCall | None = None
    """One write by HTTP, acknowledged by a 2xx …"""
    sql: SqlWrite | None = None
    """… or by SQL, acknowledged by its commit; exactly one of the two."""
    read: str
    """Gives the ids of this run that a copy has, one a row, duplicates included."""
    timeout: Duration = Duration(2_000_000_000)
    """After so long without an answer a write is indeterminate."""
    restore: Command | None = None
    """Restores a backup as of `{until}` (ISO 8601) into a scratch copy; prints `dsn` as JSON."""
    drop: Command | None = None
    """Removes that copy."""
