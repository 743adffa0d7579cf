"""A record as it would be, had the run taken place at another time."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

from sloproof.record.reader import Record
from sloproof.record.schema import NEVER
from sloproof.record.writer import RecordWriter

TIMES = frozenset({"intended", "sent", "finished", "time"})
TABLES = ("requests", "probes", "calls", "writes", "copies", "signals")
TOLD = {"system": "time", "load.started": "at", "ledger.restored": "until"}
"""Events that hold a time in their data, and under which name."""


def moved_record(
    record: Record, folder: Path, by: int, *, drop: Collection[str] = frozenset()
) -> Record:
    """A copy whose times are all later by `by` nanoseconds, without events of the kinds `drop`.

    The first event stays where it is: it marks the origin. The copy is sealed.
    """
    writer = RecordWriter(folder)
    for event in record.events:
        if event.kind in drop:
            continue
        data: dict[str, Any] = dict(event.data)
        if event.kind in TOLD and TOLD[event.kind] in data:
            data[TOLD[event.kind]] += by
        at = event.t if event.kind == "run.started" else event.t + by
        writer.event(at, event.kind, **data)
    for name in TABLES:
        if record.has(name):
            _move_table(record.folder / f"{name}.parquet", folder / f"{name}.parquet", by)
    for name in ("experiment.yaml", "environment.json"):
        if (record.folder / name).is_file():
            writer.text(name, (record.folder / name).read_text("utf-8"))
    writer.seal()
    return Record(folder)


def _move_table(source: Path, target: Path, by: int) -> None:
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(source)
    for place, field in enumerate(table.schema):
        if field.name in TIMES:
            column = table.column(place)
            times = np.array(column.to_numpy())
            times[times != NEVER] += by
            table = table.set_column(place, field, pa.chunked_array([times]))
    pq.write_table(table, target)
