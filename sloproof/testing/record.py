"""Records written by hand, in tables: what checks and measures are tested with.

```python
builder = RecordBuilder()
builder.phases(warmup=0, baseline=2, faults=7, recovery=12, restore=20)
builder.requests('''
    at   every  count  took   outcome  status
    2s   10ms   1800   20ms   ok       200
''')
builder.probe("gate", "from  to   every  took\n 0s  20s  100ms  2ms")
builder.fault(WrittenFault(name="slow", at=7, until=12, sense=Sense.DELAY, size=0.8))
record = builder.build(tmp_path)
```
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sloproof.contracts import Sense
from sloproof.record.reader import Record
from sloproof.record.schema import NEVER, Call, RequestKind, RequestOutcome
from sloproof.record.writer import REQUEST_COLUMNS, RecordWriter
from sloproof.testing.ledger import WrittenLedger
from sloproof.testing.tables import rows, time_in

SECOND = 1_000_000_000
UNDOING = 0.01
KIND = {"profile": "", "name": "", "method": "GET", "path": "/"}
PRESENT: Mapping[Sense, str] = {
    Sense.REFUSED: "refused",
    Sense.BLACKHOLE: "timeout",
    Sense.RESET: "reset",
    Sense.GONE: "gone",
    Sense.STOPPED: "stopped",
    Sense.STATUS: "status 503",
    Sense.LOSS: "timeout",
    Sense.FAILING: "failing",
    Sense.OBSERVED: "seen",
}
"""The word a witness's sample has while the fault is present, by sense."""
UNITS: Mapping[Sense, str] = {
    Sense.DELAY: "s",
    Sense.THROUGHPUT: "",
    Sense.FREE: "B",
    Sense.SCARCE: "B",
}
"""The unit of the figures of those senses that have one; but for a delay, 1e9 is there before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenFault:
    """One occurrence of a fault, with its one effect and its witness; times in seconds.

    Applied at `at`, it begins to be undone at `until` (None: never), which takes 10 ms. Its witness
    sees it from `appears` until `vanishes` (by default at once); with `sense` None there is none,
    with `samples` false it is blind. A `lasting` effect was seen healed by the system at `healed`.
    `size` is what was asked for, `measured` what is there.
    """

    name: str
    at: float
    until: float | None = None
    kind: str = "latency"
    occurrence: int = 1
    sense: Sense | None = Sense.DELAY
    size: float | None = None
    measured: float | None = None
    tolerance: float | None = None
    appears: float | None = None
    vanishes: float | None = None
    samples: bool = True
    lasting: bool = False
    healed: float | None = None
    outcome: str = "reverted"
    target: Mapping[str, Any] = field(
        default_factory=lambda: {
            "link": {"name": "entry", "source": "client", "target": "gateway", "entry": True}
        }
    )
    neighbours: Sequence[Mapping[str, Any]] = ()
    where: Sequence[str] | None = None
    """The names of what it struck, such as a volume's."""

    @property
    def probe(self) -> str:
        """The name of its witness's probe."""
        return f"witness-{self.name}"

    def present(self, at: int) -> bool:
        """Whether its witness sees it at so many nanoseconds."""
        begin = self.at if self.appears is None else self.appears
        gone = self.until if self.vanishes is None else self.vanishes
        return _ns(begin) <= at and (gone is None or at < _ns(gone))


class RecordBuilder:
    """Collects what a run would have written down; `build` writes the folder and reads it back."""

    def __init__(self, *, run: str = "run-1", experiment: str = "hand-written") -> None:
        self._run = run
        self._experiment = experiment
        self._events: list[tuple[int, str, dict[str, Any]]] = []
        self._requests: list[dict[str, Any]] = []
        self._kinds: list[RequestKind] = []
        self._samples: list[tuple[Any, ...]] = []
        self._calls: list[Call] = []
        self._signals: list[tuple[str, int, float, str]] = []
        self._faults: list[WrittenFault] = []
        self._tables: set[str] = set()
        self._more: dict[str, Mapping[str, Sequence[Any]]] = {}
        self._arrivals = 0

    def phases(self, **begins: float) -> None:
        """When each phase begins, in seconds from the origin."""
        for name, begin in begins.items():
            self.event(begin, "phase", phase=name)

    def event(self, at: float, kind: str, /, **data: Any) -> None:
        """Any event, at so many seconds; see `sloproof.record.schema.EVENTS`."""
        self._events.append((_ns(at), kind, data))

    def system(self, at: float, role: str, /, **data: Any) -> None:
        """An event of the system under test: `event`, `instance`, `source`, `detail`, …"""
        self.event(at, "system", role=role, time=_ns(at), **{"event": role, **data})

    def requests(self, table: str) -> None:
        """Rows of equal requests: `at every count took lag outcome status method path name late`.

        `count` requests from `at` on, each `every` after the one before; each is its own arrival,
        sent `lag` after its time and answered `took` after it.
        """
        self._tables.add("requests")
        for row in rows(table):
            kind = RequestKind(*(row.get(column, usual) for column, usual in KIND.items()))
            if kind not in self._kinds:
                self._kinds.append(kind)
            for nth in range(int(row.get("count", "1"))):
                intended = time_in(row, "at") + nth * time_in(row, "every", "10ms")
                self._requests.append(self._request(row, intended, self._kinds.index(kind)))

    def probe(self, name: str, table: str) -> None:
        """Rows of samples in [from, to): `from to every took lag ok value detail`."""
        self._tables.add("probes")
        for row in rows(table):
            ok, value = row.get("ok", "yes") == "yes", float(row.get("value", "nan"))
            detail = row.get("detail", "").replace("_", " ")
            for at in range(
                time_in(row, "from"), time_in(row, "to"), time_in(row, "every", "100ms")
            ):
                sent = at + time_in(row, "lag", "0s")
                finished = sent + time_in(row, "took", "1ms")
                self._samples.append((name, at, sent, finished, ok, value, detail))

    def calls(self, table: str) -> None:
        """Rows of calls: `at every count from to instance callee took outcome status breaker`.

        Each names the request that caused it, but for one whose `parent` is `nobody`.
        """
        self._tables.add("calls")
        for row in rows(table):
            for nth in range(int(row.get("count", "1"))):
                sent = time_in(row, "at") + nth * time_in(row, "every", "10ms")
                self._calls.append(_call(row, sent))

    def signal(self, name: str, values: Iterable[tuple[float, float]]) -> None:
        """Samples of a signal: seconds and value."""
        self._tables.add("signals")
        self._signals += [(name, _ns(at), value, "{}") for at, value in values]

    def ledger(self, ledger: WrittenLedger) -> None:
        """The writes of a ledger and what was found of them, with the events that tell of it."""
        self._more |= ledger.tables()
        for at, kind, data in ledger.events():
            self.event(at, kind, **data)

    def fault(self, fault: WrittenFault) -> None:
        """Everything that a run writes down about one fault, its witness's samples included.

        A second of the same name and occurrence is one more effect of that.
        """
        begun = {(each.name, each.occurrence) for each in self._faults}
        self._faults.append(fault)
        number = len(self._faults)
        names = {"fault": fault.name, "occurrence": fault.occurrence}
        struck = {} if fault.where is None else {"where": list(fault.where)}
        if (fault.name, fault.occurrence) not in begun:
            self.event(
                fault.at, "fault.injecting", inject=fault.kind, effects=[number], **names, **struck
            )
        self.event(
            fault.at,
            "effect.planned",
            number=number,
            effect=f"{fault.kind} on {fault.name}",
            lasting=fault.lasting,
            target=dict(fault.target),
            witness=_witness(fault),
            neighbours=[dict(each) for each in fault.neighbours],
            **names,
        )
        self.event(fault.at, "effect.applying", number=number)
        self.event(fault.at + 0.001, "effect.applied", number=number)
        if fault.lasting:
            self.event(fault.at + 0.002, "fault.ended", **names)
        if fault.healed is not None:
            self.event(fault.healed, "effect.healed", number=number)
        if fault.until is not None:
            self.event(fault.until, "effect.undoing", number=number, by="engine")
            undone = fault.until + UNDOING
            self.event(undone, "effect.undone", number=number, outcome=fault.outcome, by="engine")
            if not fault.lasting:
                self.event(undone, "fault.ended", **names)

    def build(
        self, folder: Path, *, sealed: bool = True, load: bool = True, finished: bool = True
    ) -> Record:
        """Write the record into `folder` and open it.

        `load` adds the events of a load that was delivered as planned, `finished` the run's end.
        """
        end = max([event[0] for event in self._events] + [0])
        if load and "requests" in self._tables:
            facts = {"planned": self._arrivals, "started": self._arrivals, "exit": 0}
            self._events.append((0, "load.started", {"at": 0}))
            self._events.append((end, "load.finished", {**facts, "bound_ns": 20_000_000}))
        if finished:
            self._events.append((end, "run.finished", {"how": "completed", "reason": ""}))
        for probe in dict.fromkeys(f.probe for f in self._faults if f.sense and f.samples):
            self._watch(probe, end)
        writer = RecordWriter(folder)
        started = {"run": self._run, "experiment": self._experiment, "seed": 1, "version": "0"}
        writer.event(0, "run.started", wall_ns=0, monotonic_ns=0, boot_id="", **started)
        for t, kind, data in sorted(self._events, key=lambda event: event[0]):
            writer.event(t, kind, **data)
        self._write_tables(writer)
        writer.text("experiment.yaml", "")
        writer.json("environment.json", {})
        writer.seal() if sealed else writer.close()
        return Record(folder)

    def _request(self, row: Mapping[str, str], intended: int, kind: int) -> dict[str, Any]:
        outcome = RequestOutcome[row.get("outcome", "ok").upper()]
        answered = outcome <= RequestOutcome.ERROR
        status = row.get("status", "0" if outcome else "200")
        self._arrivals += 1
        return {
            "intended": intended,
            "sent": intended + time_in(row, "lag", "0s"),
            "finished": intended + time_in(row, "took", "10ms") if answered else NEVER,
            "arrival": self._arrivals - 1,
            "kind": kind,
            "outcome": int(outcome),
            "late": int(row.get("late", "no") == "yes"),
            "status": int(status),
            "error": 0,
            "size": 100,
        }

    def _watch(self, probe: str, end: int) -> None:
        """The samples of a witness, one each 100 ms, over all occurrences that it watches."""
        self._tables.add("probes")
        watched = [fault for fault in self._faults if fault.probe == probe]
        for at in range(50_000_000, end, 100_000_000):
            there = next((fault for fault in watched if fault.present(at)), None)
            sample = _sample(there or watched[0], at, present=there is not None)
            self._samples.append((probe, *sample))

    def _write_tables(self, writer: RecordWriter) -> None:
        import numpy as np

        if "requests" in self._tables:
            batch = {
                name: np.array([row[name] for row in self._requests], dtype=kind)
                for name, kind in REQUEST_COLUMNS.items()
            }
            writer.requests([batch], self._kinds, [""])
        if "probes" in self._tables:
            names = ("probe", "intended", "sent", "finished", "ok", "value", "detail")
            columns = zip(*self._samples, strict=True) if self._samples else ([] for _ in names)
            writer.table("probes", dict(zip(names, map(list, columns), strict=True)))
        if "calls" in self._tables:
            writer.calls(self._calls)
        for name, table in self._more.items():
            writer.table(name, table)
        if "signals" in self._tables:
            signals = zip(*self._signals, strict=True)
            fields = ("signal", "time", "value", "labels")
            writer.table("signals", dict(zip(fields, signals, strict=True)))


def _sample(fault: WrittenFault, at: int, *, present: bool) -> tuple[Any, ...]:
    usual = 1_000_000
    size = (fault.size if fault.measured is None else fault.measured) or 0.0
    if fault.sense is Sense.DELAY:
        took = usual + (_ns(size) if present else 0)
        return at, at, at + took, True, took / SECOND, ""
    if fault.sense in UNITS:
        return at, at, at + usual, True, size if present else 1e9, ""
    if fault.sense is Sense.LOSS:  # each so manieth packet
        present = present and at / 100_000_000 * size % 1 < size
    if fault.sense is Sense.LEVEL:
        return at, at, at + usual, True, 0.25 + (size if present else 0), ""
    word = PRESENT[fault.sense] if present and fault.sense is not None else ""
    return at, at, at + usual, not present, math.nan, word


def _call(row: Mapping[str, str], sent: int) -> Call:
    outcome = row.get("outcome", "ok")
    return Call(
        source=row.get("from", "a"),
        target=row.get("to", "b"),
        source_instance=row.get("instance", "a-1"),
        target_instance=row.get("callee", "b-1"),
        parent=row.get("parent", "a-request").replace("nobody", ""),
        attempt=int(row.get("attempt", "1")),
        sent=sent,
        finished=sent + time_in(row, "took", "0ms" if outcome == "rejected" else "5ms"),
        status=int(row.get("status", "200" if outcome == "ok" else "0")),
        outcome=outcome,
        breaker=row.get("breaker", ""),
        origin="hand",
        error_ns=0,
    )


def _witness(fault: WrittenFault) -> dict[str, Any] | None:
    if fault.sense is None:
        return None
    return {
        "sense": fault.sense.value,
        "probes": [fault.probe],
        "kept": [],
        "expected": fault.size,
        "unit": UNITS.get(fault.sense, ""),
        "tolerance": fault.tolerance,
    }


def _ns(seconds: float) -> int:
    return round(seconds * SECOND)
