"""Reading a record: events and small tables at once, requests in batches."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sloproof.errors import BrokenRecord
from sloproof.record.chain import Chain, read_chain
from sloproof.record.schema import SEALED, Call, Event, RequestKind

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq
    from numpy.typing import NDArray

COLUMNS = {
    "requests": (
        *("intended", "sent", "finished", "arrival", "kind"),
        *("outcome", "late", "status", "error", "size"),
    ),
    "probes": ("probe", "intended", "sent", "finished", "ok", "value", "detail"),
    "calls": tuple(field.name for field in fields(Call)),
    "signals": ("signal", "time", "value", "labels"),
    "writes": ("sequence", "id", "intended", "sent", "finished", "outcome", "detail"),
    "copies": ("copy", "sequence", "id", "times"),
}
"""What the tables must have; a record without a seal may have been made by anybody."""

CHAINS = ("events.jsonl", "suite.jsonl")
"""A folder with one of them is a record."""

Batch = dict[str, "NDArray[Any]"]


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """The samples of one probe, in order of their intended times."""

    intended: NDArray[np.int64]
    sent: NDArray[np.int64]
    finished: NDArray[np.int64]
    ok: NDArray[np.bool_]
    value: NDArray[np.float64]
    detail: NDArray[np.object_]

    def __len__(self) -> int:
        return len(self.intended)


class Record:
    """One run's folder, read. Opening it checks the seal and the chains.

    Raises `BrokenRecord` where a file differs from its seal or a chain is broken. A record without
    a seal opens with `sealed` false: its readable prefix is what there is.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        if not (folder / "events.jsonl").is_file():
            raise BrokenRecord(f"{folder}: not a record (there is no events.jsonl in it)")
        self.sealed = (folder / "seal.json").is_file()
        if self.sealed:
            _check_seal(folder)
        chain = read_chain(folder / "events.jsonl")
        self.torn = chain.torn
        self.events: tuple[Event, ...] = _events(folder / "events.jsonl", chain)
        if not self.events or self.events[0].kind != "run.started":
            raise BrokenRecord(f"{folder}: the record's events do not begin with run.started")

    @property
    def run(self) -> str:
        """The run's id."""
        return str(self.events[0].data["run"])

    @cached_property
    def guardian(self) -> tuple[Event, ...]:
        """What the guardian wrote; empty where it had nothing to do."""
        path = self.folder / "guardian.jsonl"
        return _events(path, read_chain(path)) if path.is_file() else ()

    @cached_property
    def environment(self) -> dict[str, Any]:
        """Versions, host, capabilities, seeds."""
        return _json(self.folder / "environment.json")

    @cached_property
    def experiment_text(self) -> str:
        """The fully resolved experiment, target and objectives, as YAML."""
        path = self.folder / "experiment.yaml"
        try:
            return path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise BrokenRecord(f"{path}: can't be read: {error}") from None

    def of_kind(self, *kinds: str) -> list[Event]:
        """The engine's events of these kinds, in order."""
        return [event for event in self.events if event.kind in kinds]

    def has(self, table: str) -> bool:
        """Whether the record has `table` (`requests`, `probes`, `calls`, `writes`, …)."""
        return (self.folder / f"{table}.parquet").is_file()

    @cached_property
    def request_kinds(self) -> list[RequestKind]:
        """What the column `kind` of the requests points into."""
        return [RequestKind(**kind) for kind in self._request_metadata("kinds")]

    @cached_property
    def request_errors(self) -> list[str]:
        """What the column `error` of the requests points into; the first is "" for none."""
        return self._request_metadata("errors")

    @property
    def request_count(self) -> int:
        """How many requests there are; nothing of them is read."""
        return self._parquet("requests").metadata.num_rows if self.has("requests") else 0

    def requests(self, columns: Sequence[str]) -> Iterator[Batch]:
        """The requests in batches of numpy arrays by column, in the file's order."""
        if not self.has("requests"):
            return
        for batch in self._parquet("requests").iter_batches(1 << 18, columns=list(columns)):
            yield {name: _array(batch.column(name)) for name in columns}

    @cached_property
    def _probe_table(self) -> dict[str, Samples]:
        if not self.has("probes"):
            return {}
        import numpy as np

        table = self._parquet("probes").read()
        names = np.array(table.column("probe").to_pylist(), dtype=object)
        arrays = {
            field.name: _array(table.column(field.name).combine_chunks())
            for field in fields(Samples)
        }
        order = np.argsort(arrays["intended"], kind="stable")
        names = names[order]
        arrays = {name: array[order] for name, array in arrays.items()}
        return {
            str(probe): Samples(**{name: array[names == probe] for name, array in arrays.items()})
            for probe in sorted(set(names))
        }

    @property
    def probe_names(self) -> list[str]:
        """The probes that took at least one sample."""
        return list(self._probe_table)

    def probe(self, name: str) -> Samples | None:
        """The samples of the probe `name`, or None where it took none."""
        return self._probe_table.get(name)

    @cached_property
    def calls(self) -> list[Call]:
        """The calls between services, by the time they were sent."""
        if not self.has("calls"):
            return []
        rows = self._parquet("calls").read().to_pylist()
        return sorted((Call(**row) for row in rows), key=lambda call: (call.sent, call.finished))

    def table(self, name: str) -> Batch:
        """A small table (`writes`, `copies`) as arrays by column; empty where there is none."""
        import numpy as np

        if not self.has(name):
            return {column: np.zeros(0, np.int64) for column in COLUMNS[name]}
        table = self._parquet(name).read(columns=list(COLUMNS[name])).combine_chunks()
        return {column: _array(table.column(column).combine_chunks()) for column in COLUMNS[name]}

    def signal(self, name: str) -> list[tuple[int, float, str]]:
        """The samples of one signal: time, value, labels."""
        if not self.has("signals"):
            return []
        rows = self._parquet("signals").read().to_pylist()
        return [(r["time"], r["value"], r["labels"]) for r in rows if r["signal"] == name]

    def frame(self, table: str) -> pd.DataFrame:
        """A table as a pandas frame, for people in notebooks; requests with their kinds in words.

        Raises `BrokenRecord` where the record has no such table.
        """
        if not self.has(table):
            raise BrokenRecord(f"{self.folder}: this record has no {table}")
        frame: pd.DataFrame = self._parquet(table).read().to_pandas()
        if table == "requests":
            for name in ("profile", "name", "method", "path"):
                words = [getattr(kind, name) for kind in self.request_kinds]
                frame[name] = frame["kind"].map(dict(enumerate(words)))
            frame["error"] = frame["error"].map(dict(enumerate(self.request_errors)))
        return frame

    def _parquet(self, table: str) -> pq.ParquetFile:
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            file = pq.ParquetFile(self.folder / f"{table}.parquet", pre_buffer=False)
        except pa.ArrowInvalid as error:
            raise BrokenRecord(f"{self.folder}/{table}.parquet: unreadable: {error}") from None
        missing = sorted(set(COLUMNS.get(table, ())) - set(file.schema_arrow.names))
        if missing:
            raise BrokenRecord(f"{self.folder}/{table}.parquet: has no {', '.join(missing)}")
        return file

    def _request_metadata(self, key: str) -> list[Any]:
        if not self.has("requests"):
            return []
        metadata = self._parquet("requests").schema_arrow.metadata or {}
        found: list[Any] = json.loads(metadata.get(key.encode(), b"[]"))
        return found


def _array(column: pa.Array[Any]) -> NDArray[Any]:
    """A column without nulls as numpy's; pyarrow's own way there imports pandas."""
    import numpy as np
    import pyarrow as pa

    if pa.types.is_null(column.type):  # a list without a row has no type
        return np.zeros(len(column), np.int64)
    if pa.types.is_string(column.type):
        return np.array(column.to_pylist(), dtype=object)
    if pa.types.is_boolean(column.type):
        truths: NDArray[Any] = _array(column.cast(pa.uint8())).astype(bool)
        return truths
    buffer = column.buffers()[1]
    dtype = np.dtype(str(column.type).replace("double", "float64"))
    if buffer is None:
        return np.zeros(0, dtype)
    whole: NDArray[Any] = np.frombuffer(memoryview(buffer), dtype)
    return whole[column.offset : column.offset + len(column)]


def _event(path: Path, line: dict[str, Any]) -> Event:
    try:
        return Event(n=line.pop("n"), t=line.pop("t"), kind=line.pop("kind"), data=line)
    except KeyError as error:
        raise BrokenRecord(f"{path}: an event has no {error.args[0]}") from None


def _events(path: Path, chain: Chain) -> tuple[Event, ...]:
    return tuple(_event(path, line) for line in chain.lines)


def _json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        found = json.loads(path.read_bytes())
    except ValueError as error:
        raise BrokenRecord(f"{path}: is not JSON: {error}") from None
    if not isinstance(found, dict):
        raise BrokenRecord(f"{path}: is not an object of JSON")
    return found


def record_around(path: Path) -> Path | None:
    """The record, of a run or of a suite, in which a file is or would be; links are followed."""
    around = path.parent.resolve().joinpath(path.name).parents
    return next((each for each in around if any((each / c).is_file() for c in CHAINS)), None)


def digest(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _check_seal(folder: Path) -> None:
    sealed = _json(folder / "seal.json").get("files", {})
    present = {name for name in SEALED if (folder / name).is_file()}
    for name in sorted(present ^ set(sealed)):
        fate = "was added after" if name in present else "is missing since"
        raise BrokenRecord(f"{folder}/{name}: this file {fate} the record was sealed")
    for name, expected in sealed.items():
        if digest(folder / name) != expected:
            raise BrokenRecord(f"{folder}/{name}: differs from what was sealed; it was changed")
