"""Writing a record, by one process: the engine."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sloproof.errors import HarnessError
from sloproof.model.secrets import NO_SECRETS, Secrets
from sloproof.record.chain import ChainWriter
from sloproof.record.reader import digest
from sloproof.record.schema import SEALED, Call, RequestKind

if TYPE_CHECKING:
    from numpy.typing import NDArray

REQUEST_COLUMNS = {
    "intended": "int64",
    "sent": "int64",
    "finished": "int64",
    "arrival": "uint32",
    "kind": "uint16",
    "outcome": "uint8",
    "late": "uint8",
    "status": "int16",
    "error": "uint16",
    "size": "uint32",
}

_NUMBERED = ("intended", "sent", "finished", "arrival")
"""Columns whose values differ little from the ones before: as differences they take a third of
the room, and of the time that judging takes to read them."""
_REPEATED = [name for name in REQUEST_COLUMNS if name not in _NUMBERED]


def write_beside(path: Path, text: str) -> None:
    """Write a file into a record that stands outside its seal, whole or not at all.

    A link in its place is replaced, not followed, and so is one in the place of the partial file:
    a record may come from others. Raises `HarnessError` where that can't be: a disk may be full.
    """
    partial = path.with_name(f"{path.name}.partial")
    try:
        partial.unlink(missing_ok=True)
        with partial.open("x", encoding="utf-8") as file:
            file.write(text)
        partial.rename(path)
    except OSError as error:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        raise HarnessError(f"{path}: can't be written: {error.strerror}") from error


class RecordWriter:
    """A record in the making. Events go out at once; tables once, at the end; then the seal.

    No text in it holds a secret.
    """

    def __init__(self, folder: Path, secrets: Secrets = NO_SECRETS) -> None:
        folder.mkdir(parents=True)
        self.folder = folder
        self._secrets = secrets
        self._events = ChainWriter(folder / "events.jsonl")
        self._count = 0

    def event(self, t: int, kind: str, **data: Any) -> None:
        """Append one event at `t` nanoseconds from the run's origin."""
        plain = self._secrets.masked(data)
        self._events.append({"n": self._count, "t": t, "kind": kind, **plain})
        self._count += 1

    def text(self, name: str, content: str) -> None:
        """Write a whole text file of the record."""
        (self.folder / name).write_text(content, encoding="utf-8")

    def json(self, name: str, content: Mapping[str, Any]) -> None:
        """Write a whole JSON file of the record."""
        self.text(name, json.dumps(content, indent=2, sort_keys=True) + "\n")

    def requests(
        self,
        batches: Iterable[Mapping[str, NDArray[Any]]],
        kinds: Sequence[RequestKind],
        errors: Sequence[str],
    ) -> int:
        """Write the requests from batches of arrays by column; gives how many there were."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        metadata: dict[bytes | str, bytes | str] = {
            "kinds": json.dumps(self._secrets.masked([asdict(kind) for kind in kinds])),
            "errors": json.dumps(self._secrets.masked(list(errors))),
        }
        columns = [(name, getattr(pa, kind)()) for name, kind in REQUEST_COLUMNS.items()]
        schema = pa.schema(columns, metadata=metadata)
        rows = 0
        with pq.ParquetWriter(
            self.folder / "requests.parquet",
            schema,
            use_dictionary=_REPEATED,  # type: ignore[arg-type] # the stubs know no list
            column_encoding=dict.fromkeys(_NUMBERED, "DELTA_BINARY_PACKED"),
        ) as writer:
            for batch in batches:
                arrays = [pa.array(batch[name]) for name in REQUEST_COLUMNS]
                table = pa.Table.from_arrays(arrays, schema=schema)
                writer.write_table(table)
                rows += table.num_rows
        return rows

    def table(self, name: str, columns: Mapping[str, Sequence[Any]]) -> None:
        """Write a small table (`probes`, `signals`, `writes`) from columns."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        shown = {key: self._shown(column) for key, column in columns.items()}
        pq.write_table(pa.table(shown), self.folder / f"{name}.parquet")

    def calls(self, calls: Sequence[Call]) -> None:
        """Write the calls between services."""
        names = [field.name for field in fields(Call)]
        self.table("calls", {name: [getattr(call, name) for call in calls] for name in names})

    def _shown(self, column: Sequence[Any]) -> Sequence[Any]:
        """A column with its texts masked, each different one once."""
        if not isinstance(column, list):
            return column
        texts = {each for each in column if isinstance(each, str)}
        masks = {text: shown for text in texts if (shown := self._secrets.mask(text)) != text}
        return [masks.get(each, each) for each in column] if masks else column

    def close(self) -> None:
        """Close the events without sealing: the record stays a readable prefix."""
        self._events.close()

    def seal(self) -> None:
        """Hash every file and write `seal.json`; nothing may be written afterwards."""
        self.close()
        files = {
            name: digest(self.folder / name) for name in SEALED if (self.folder / name).is_file()
        }
        partial = self.folder / "seal.json.partial"
        with partial.open("w", encoding="utf-8") as file:
            json.dump({"algorithm": "sha256", "files": files}, file, indent=2, sort_keys=True)
            file.flush()
            os.fsync(file.fileno())
        partial.rename(self.folder / "seal.json")
