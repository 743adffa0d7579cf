"""What the ledger says: every write of known fate, and which of them each copy of the store has.

The words, exactly. A copy *has* a write if the last look at it gave the write's id; one that could
not be read is *unreadable*, which is said, and it counts neither as having a write nor as lacking
it. The *primary* is the copy that said so at the last look.

- **acknowledged**: the store said that it has it. **failed**: certainly not applied. **not sent**:
  it was due while every slot waited on the system. **indeterminate**: sent, and nobody knows.
- **lost**: acknowledged, and the primary doesn't have it. Where no copy is the primary:
  acknowledged and in no copy, if every copy was read. With several primaries nobody can say which
  of them stays, so there is one answer for each.
- **split brain**: lost, and sent after every fault had certainly begun: it was acknowledged by
  somebody who no longer should have. Counted apart, for no backlog explains it.
- **duplicated**: more than once in one copy.
- **phantom**: in some copy, though it failed or was not sent.
- **indeterminate-applied**: indeterminate, and in some copy.
- **stale**: a copy that isn't the primary lacks acknowledged writes that the primary has; so many,
  and so old was the oldest of them when the copy was read.
- **strange**: an id of this run that the ledger never gave.

Times are nanoseconds from the run's origin. Rows may stand in any order.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from sloproof.judge.facts import InstanceTarget, effects_of
from sloproof.judge.wording import count
from sloproof.record.reader import Record
from sloproof.record.schema import NEVER, Event, WriteOutcome

Mask = NDArray[np.bool_]
CLOCK_GRAIN = 1_000_000
"""An event loop may wake a little early, in nanoseconds."""


@dataclass(frozen=True, slots=True, eq=False)
class CopyRead:
    """One copy at its last look; `times` is how often it has each write, in the ledger's order.

    A `dead` one was killed by a fault and nobody brought it back: it can't be read, and nobody
    writes to it.
    """

    name: str
    role: str
    error: str
    stable: bool
    dead: bool
    at: int
    times: NDArray[np.int64]
    strange: tuple[str, ...]

    @property
    def readable(self) -> bool:
        """Whether the look saw anything."""
        return not self.error

    @property
    def has(self) -> Mask:
        """Which writes it has."""
        found: Mask = self.times > 0
        return found


@dataclass(frozen=True, eq=False)
class Ledger:
    """The writes in order of their sequence, and the copies in the order of the target's file.

    `wrong` is what makes it no evidence: rows that are missing, times that can't be.
    """

    name: str
    sequences: NDArray[np.int64]
    ids: NDArray[np.object_]
    sent: NDArray[np.int64]
    finished: NDArray[np.int64]
    outcome: NDArray[np.int64]
    copies: tuple[CopyRead, ...]
    read: bool
    wrong: tuple[str, ...]

    @classmethod
    def of(cls, record: Record) -> Ledger | None:
        """The ledger of a record; None where it has none."""
        if not record.has("writes"):
            return None
        table = record.table("writes")
        order = np.argsort(table["sequence"], kind="stable")
        rows = {name: column[order] for name, column in table.items()}
        copies = tuple(
            copy_read(record, event, rows["sequence"]) for event in record.of_kind("ledger.copy")
        )
        started, ended = record.of_kind("ledger.started"), record.of_kind("ledger.finished")
        return cls(
            name=str(started[0].data.get("ledger", "")) if started else "",
            sequences=rows["sequence"],
            ids=rows["id"],
            sent=rows["sent"],
            finished=rows["finished"],
            outcome=rows["outcome"],
            copies=copies,
            read=bool(ended and ended[-1].data.get("read")),
            wrong=tuple(_wrong(record, rows, ended[-1] if ended else None)),
        )

    @cached_property
    def acknowledged(self) -> Mask:
        """Which writes the store said that it has."""
        return self._are(WriteOutcome.ACKNOWLEDGED)

    @cached_property
    def indeterminate(self) -> Mask:
        """Which writes nobody knows the fate of."""
        return self._are(WriteOutcome.INDETERMINATE)

    @cached_property
    def failed(self) -> Mask:
        """Which writes were certainly not applied."""
        return self._are(WriteOutcome.FAILED)

    @cached_property
    def not_sent(self) -> Mask:
        """Which writes found no slot."""
        return self._are(WriteOutcome.NOT_SENT)

    @cached_property
    def anywhere(self) -> Mask:
        """Which writes are in some copy."""
        return self._in_any(lambda copy: copy.has)

    @cached_property
    def duplicated(self) -> Mask:
        """Which writes are in one copy more than once."""
        return self._in_any(lambda copy: copy.times > 1)

    @property
    def phantom(self) -> Mask:
        """Which writes are there though they failed or were not sent."""
        return self.anywhere & (self.failed | self.not_sent)

    @property
    def primaries(self) -> tuple[CopyRead, ...]:
        """The copies that say that they are the primary; one, where all is well."""
        return tuple(copy for copy in self.copies if copy.readable and copy.role == "primary")

    @property
    def followers(self) -> tuple[CopyRead, ...]:
        """The copies that can be stale: the readable ones beside the one primary."""
        if len(self.primaries) != 1:
            return ()
        return tuple(copy for copy in self.copies if copy.readable and copy not in self.primaries)

    def stale(self, copy: CopyRead) -> Mask:
        """The acknowledged writes that a copy lacks and the one primary has."""
        if copy not in self.followers:
            return np.zeros(len(self.ids), bool)
        found: Mask = self.acknowledged & self.primaries[0].has & ~copy.has
        return found

    def _are(self, outcome: WriteOutcome) -> Mask:
        found: Mask = self.outcome == outcome
        return found

    def _in_any(self, what: Callable[[CopyRead], Mask]) -> Mask:
        found: Mask = np.zeros(len(self.ids), bool)
        for copy in self.copies:
            found = found | what(copy)
        return found


def copy_read(record: Record, event: Event, sequences: NDArray[np.int64]) -> CopyRead:
    """What the table has of one copy, by the writes' places in the ledger."""
    table, name = record.table("copies"), str(event.data.get("copy"))
    error = str(event.data.get("error", ""))
    own = table["copy"] == name if len(table["copy"]) else np.zeros(0, bool)
    found, often, ids = table["sequence"][own], table["times"][own], table["id"][own]
    places = np.searchsorted(sequences, found)
    known = places < len(sequences)
    known[known] = sequences[places[known]] == found[known]
    times = np.zeros(len(sequences), np.int64)
    np.add.at(times, places[known], often[known])
    return CopyRead(
        name=name,
        role=str(event.data.get("role", "")),
        error=error,
        stable=bool(event.data.get("stable")),
        dead=bool(error) and name in _killed(record),
        at=event.t,
        times=times,
        strange=tuple(sorted(map(str, ids[~known]))),
    )


def _killed(record: Record) -> frozenset[str]:
    """The instances that a fault killed and that nobody had brought back before the looks."""
    return frozenset(
        effect.target.name
        for effect in effects_of(record).values()
        if isinstance(effect.target, InstanceTarget)
        and effect.lasting
        and effect.applied is not None
        and effect.healed is None
        and effect.outcome != "absent"
    )


def _wrong(record: Record, rows: dict[str, NDArray[np.generic]], end: Event | None) -> list[str]:
    """Why these rows are not all that was written, or can't be true."""
    if end is None:
        return ["how the ledger ended was not recorded"]
    total, sequences = len(rows["sequence"]), rows["sequence"]
    planned, told = (int(str(end.data.get(key, 0))) for key in ("planned", "rows"))
    found = []
    if end.data.get("exit") != 0:
        found.append("the ledger's process was lost")
    if total < planned or total != told or not np.array_equal(sequences, np.arange(total)):
        found.append(
            f"the ledger has {count(total, 'write')} of {max(planned, told):,} that were due: "
            f"what became of the others is unknown"
        )
    restored = [e.t for e in record.of_kind("phase") if e.data.get("phase") == "restore"]
    for event in record.of_kind("ledger.copy"):
        if restored and event.t > min(restored):
            found.append(f"copy {event.data.get('copy')} was read after things had been put right")
        own = record.table("copies")["copy"] == event.data.get("copy")
        if int(np.count_nonzero(own)) != int(str(event.data.get("rows", 0))):
            found.append(f"what copy {event.data.get('copy')} has was not recorded whole")
    sent, finished, intended = (
        rows[name].astype(np.int64) for name in ("sent", "finished", "intended")
    )
    went = sent != NEVER
    told_of = rows["outcome"] == WriteOutcome.ACKNOWLEDGED
    impossible = (went & ((sent < intended - CLOCK_GRAIN) | (finished < sent))) | (
        told_of & (~went | (finished == NEVER))
    )
    if many := int(np.count_nonzero(impossible)):
        found.append(
            f"{count(many, 'write')} can't have been made when the ledger says: sent before its "
            f"time, or acknowledged before it was sent"
        )
    return found
