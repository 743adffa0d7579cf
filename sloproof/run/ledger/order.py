"""What the ledger's process is told: everything it needs, as one JSON file."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sloproof.errors import LedgerError
from sloproof.model.addressing import HttpCall
from sloproof.model.secrets import NO_SECRETS, Secrets, known_here, resolved
from sloproof.model.stores import LedgerSpec, SqlWrite
from sloproof.model.target import Entry, Target
from sloproof.spec.experiment import Ledger

SECOND = 1_000_000_000


@dataclass(frozen=True, slots=True)
class CopyAt:
    """A copy to read back: the name of its instance, and where it answers."""

    copy: str
    dsn: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Restore:
    """How a backup is restored to the moment `at_ns` after the first write was due.

    In `command` and `drop`, `{until}` stands for it; both run in `folder`. By the file `note`
    others drop what was restored, where there is a `drop`.
    """

    at_ns: int
    command: tuple[str, ...]
    drop: tuple[str, ...]
    folder: str
    within_s: float
    drop_within_s: float
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One run's ledger. Writes are due at the begin plus multiples of 1/`rate`."""

    run: str
    name: str
    rate: Fraction
    slots: int
    timeout_ns: int
    read: str
    copies: tuple[CopyAt, ...]
    http: HttpCall | None = None
    sql: SqlWrite | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    ca: str | None = None
    restore: Restore | None = None

    def due(self, sequence: int, begin: int) -> int:
        """When a write is due."""
        return begin + int(sequence * SECOND / self.rate)

    def planned(self, lasted_ns: int) -> int:
        """How many are due in [0, `lasted_ns`)."""
        return max(0, -int(-lasted_ns * self.rate // SECOND))

    def write(self, folder: Path, secrets: Secrets = NO_SECRETS) -> None:
        """Write `spec.json` into `folder`, with references in place of secrets."""
        data = {**asdict(self), "rate": str(self.rate)}
        hidden, references = secrets.referring(json.loads(json.dumps(data, default=str)))
        fd = os.open(folder / "spec.json", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(fd, "w", encoding="utf-8") as file:  # noqa: PTH123 - a descriptor has no path
            json.dump({**hidden, "secrets": references}, file, indent=1)

    @classmethod
    def read_from(cls, folder: Path) -> tuple[Order, Secrets]:
        """The order in `folder`, and the secrets that it refers to, from the environment."""
        data = json.loads((folder / "spec.json").read_text(encoding="utf-8"))
        references = data.pop("secrets")
        plain = resolved(data, references)
        return cls._of(plain), known_here(references)

    @classmethod
    def _of(cls, data: dict[str, Any]) -> Order:
        http, sql = data.pop("http"), data.pop("sql")
        restore = data.pop("restore")
        if restore is not None:
            words = {key: tuple(restore[key]) for key in ("command", "drop")}
            restore = Restore(**{**restore, **words})
        return cls(
            rate=Fraction(data.pop("rate")),
            copies=tuple(CopyAt(**each) for each in data.pop("copies")),
            http=HttpCall(**http) if http else None,
            sql=SqlWrite(**sql) if sql else None,
            restore=restore,
            **data,
        )


def order_of(run: str, ledger: Ledger, target: Target, note: Path) -> Order:
    """The order of a run's ledger against a target whose addresses are known.

    `note` is where it may note what it restores.

    Raises `LedgerError` where the target has no such ledger or store.
    """
    spec = target.ledgers.get(ledger.name)
    store = target.stores.get(spec.store) if spec else None
    if spec is None or store is None:
        raise LedgerError(f"target {target.name} has no ledger {ledger.name} with a store")
    own = spec.http is not None and _same_door(spec.http.url, target.entry)
    ca = target.entry.ca
    return Order(
        run=run,
        name=ledger.name,
        rate=ledger.rate.per_second,
        slots=ledger.slots,
        timeout_ns=spec.timeout.ns,
        read=spec.read,
        copies=tuple(CopyAt(copy.instance, copy.dsn) for copy in store.copies),
        http=spec.http,
        sql=spec.sql,
        headers=dict(target.entry.headers) if own else {},
        ca=str(Path(target.folder, ca)) if own and ca else None,
        restore=_restore(ledger, spec, target, note),
    )


def _restore(ledger: Ledger, spec: LedgerSpec, target: Target, note: Path) -> Restore | None:
    if ledger.restore is None or spec.restore is None:
        return None
    return Restore(
        at_ns=ledger.restore.ns,
        command=spec.restore.command,
        drop=spec.drop.command if spec.drop else (),
        folder=target.folder,
        within_s=spec.restore.within.seconds,
        drop_within_s=spec.drop.within.seconds if spec.drop else 0,
        note=str(note),
    )


def _same_door(url: str, entry: Entry) -> bool:
    """Whether an address is behind the entry, whose headers may hold a token for nobody else."""
    there, here = urlsplit(url), urlsplit(entry.url)
    return (there.scheme, there.netloc) == (here.scheme, here.netloc)
