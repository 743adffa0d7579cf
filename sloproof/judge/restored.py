"""Copies into which a backup was restored: what each holds, and of which moment it is to be."""

from __future__ import annotations

from dataclasses import dataclass

from sloproof.judge.ledger import CopyRead, Ledger, copy_read
from sloproof.record.reader import Record


@dataclass(frozen=True, slots=True, eq=False)
class Restored:
    """One restored copy as it was read back; its chosen moment lies in `until`.

    Of one that `failed` there is nothing to read: the target's own command restored nothing.
    """

    read: CopyRead
    until: tuple[int, int]
    failed: bool


def restored_copies(record: Record, ledger: Ledger) -> tuple[Restored, ...]:
    """Every restored copy of the record; of one that was read several times the last look."""
    found: dict[str, Restored] = {}
    for event in record.of_kind("ledger.restored"):
        until, error = (int(str(event.data.get(key, 0))) for key in ("until", "error_ns"))
        read = copy_read(record, event, ledger.sequences)
        failed = event.data.get("failed") is True
        found[read.name] = Restored(read, (until - error, until + error), failed)
    return tuple(found.values())
