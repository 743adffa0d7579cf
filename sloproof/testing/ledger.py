"""Ledgers written by hand: what became of each write, and which copy has it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sloproof.record.schema import NEVER, WriteOutcome
from sloproof.testing.tables import rows, time_in

WORDS = {
    "ack": WriteOutcome.ACKNOWLEDGED,
    "failed": WriteOutcome.FAILED,
    "open": WriteOutcome.INDETERMINATE,
    "unsent": WriteOutcome.NOT_SENT,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenCopy:
    """A copy at its last look: it has each acknowledged write but those it `lacks`.

    `has` are sequences that it has besides, `twice` those that it has twice, `strange` ids that
    the ledger never gave. With an `error` it could not be read.
    """

    name: str
    role: str = "primary"
    at: float = 24.5
    lacks: Sequence[int] = ()
    has: Sequence[int] = ()
    twice: Sequence[int] = ()
    strange: Sequence[str] = ()
    error: str = ""
    stable: bool = True
    until: tuple[float, float] | None = None
    """The moment as of which a backup was restored into it, give or take the second figure."""
    failed: bool = False
    """Whether restoring it failed, for the reason in `error`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenLedger:
    """A ledger of `writes`, rows of `at every count took outcome`, and the `copies` of its store.

    Outcomes are `ack`, `failed`, `open` (indeterminate), `unsent`. `planned` is how many were due,
    by default as many as there are.
    """

    writes: str
    copies: Sequence[WrittenCopy]
    name: str = "orders"
    planned: int | None = None
    read: bool = True
    exit: object = 0

    def tables(self) -> dict[str, Mapping[str, Sequence[Any]]]:
        """`writes` and `copies` as a record has them."""
        written = list(self._writes())
        names = ("sequence", "id", "intended", "sent", "finished", "outcome", "detail")
        found: dict[str, Mapping[str, Sequence[Any]]] = {
            "writes": {name: [write[name] for write in written] for name in names}
        }
        copies = [row for copy in self.copies for row in self._rows_of(copy)]
        if any(not copy.error for copy in self.copies):
            columns = list(map(list, zip(*copies, strict=True))) or [[], [], [], []]
            found["copies"] = dict(zip(("copy", "sequence", "id", "times"), columns, strict=True))
        return found

    def events(self) -> Iterator[tuple[float, str, dict[str, Any]]]:
        """What the engine tells of it: moments in seconds, kinds, data."""
        written = list(self._writes())
        facts = {"rate": "100", "slots": 16, "timeout_ns": 2_000_000_000}
        begin = written[0]["intended"] / 1e9 if written else 0.0
        yield begin, "ledger.started", {"ledger": self.name, **facts}
        for copy in self.copies:
            told: dict[str, Any] = {"copy": copy.name, "role": copy.role, "error": copy.error}
            count = len(list(self._rows_of(copy)))
            told |= {"stable": copy.stable, "rows": count}
            if copy.until is None:
                yield copy.at, "ledger.copy", told
            else:
                until, error = (round(moment * 1e9) for moment in copy.until)
                told |= {"until": until, "error_ns": error, "failed": copy.failed}
                yield copy.at, "ledger.restored", told
        planned = len(written) if self.planned is None else self.planned
        end = {"planned": planned, "rows": len(written), "read": self.read, "exit": self.exit}
        yield 25.0, "ledger.finished", end

    def _writes(self) -> Iterator[dict[str, Any]]:
        sequence = 0
        for row in rows(self.writes):
            outcome = WORDS[row.get("outcome", "ack")]
            for nth in range(int(row.get("count", "1"))):
                at = time_in(row, "at") + nth * time_in(row, "every", "10ms")
                sent = NEVER if outcome is WriteOutcome.NOT_SENT else at
                took = time_in(row, "took", "2ms")
                yield {
                    "sequence": sequence,
                    "id": name_of(sequence),
                    "intended": at,
                    "sent": sent,
                    "finished": NEVER if sent == NEVER else sent + took,
                    "outcome": int(outcome),
                    "detail": "",
                }
                sequence += 1

    def _rows_of(self, copy: WrittenCopy) -> Iterator[tuple[str, int, str, int]]:
        if copy.error:
            return
        found = Counter(
            write["sequence"]
            for write in self._writes()
            if write["outcome"] == WriteOutcome.ACKNOWLEDGED and write["sequence"] not in copy.lacks
        )
        found.update(copy.has)
        found.update(copy.twice)
        for sequence, times in sorted(found.items()):
            yield copy.name, sequence, name_of(sequence), times
        for name in copy.strange:
            yield copy.name, -1, name, 1


def name_of(sequence: int) -> str:
    """The id of a write."""
    return f"run-1-{sequence:06d}"
