"""Ways to spoil a sealed record on disk; `other` is a whole record of another run."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq

Spoil = Callable[[Path, Path], None]


def lines_of(record: Path) -> list[bytes]:
    return (record / "events.jsonl").read_bytes().splitlines(keepends=True)


def write_lines(record: Path, lines: list[bytes]) -> None:
    (record / "events.jsonl").write_bytes(b"".join(lines))


def emptied(record: Path, other: Path) -> None:
    for file in record.iterdir():
        file.unlink()


def without_events(record: Path, other: Path) -> None:
    (record / "seal.json").unlink()
    write_lines(record, [])


def cut_short(record: Path, other: Path) -> None:
    write_lines(record, lines_of(record)[:-2])


def torn(record: Path, other: Path) -> None:
    (record / "seal.json").unlink()
    whole = (record / "events.jsonl").read_bytes()
    (record / "events.jsonl").write_bytes(whole[:-20])


def cut_short_without_seal(record: Path, other: Path) -> None:
    (record / "seal.json").unlink()
    cut_short(record, other)


def table_cut_short(record: Path, other: Path) -> None:
    (record / "seal.json").unlink()
    table = record / "requests.parquet"
    table.write_bytes(table.read_bytes()[:-100])


def better_requests(record: Path, other: Path) -> None:
    """Whoever edits a table makes its errors good."""
    path = record / "requests.parquet"
    table = pq.read_table(path)
    column = table.column("outcome")
    place = table.schema.get_field_index("outcome")
    pq.write_table(table.set_column(place, "outcome", pc.multiply(column, 0)), path)


def earlier_healing(record: Path, other: Path) -> None:
    """One event edited, the seal taken away: the chain of hashes is left."""
    (record / "seal.json").unlink()
    lines = lines_of(record)
    number = next(n for n, line in enumerate(lines) if b'"effect.applied"' in line)
    event = json.loads(lines[number])
    event["t"] -= 1_000_000_000
    lines[number] = json.dumps(event, separators=(",", ":")).encode() + b"\n"
    write_lines(record, lines)


def taken_out(record: Path, other: Path) -> None:
    """One event taken out of the middle, the seal taken away."""
    (record / "seal.json").unlink()
    lines = lines_of(record)
    write_lines(record, [line for line in lines if b'"effect.applied"' not in line])


def easier_objective(record: Path, other: Path) -> None:
    with (record / "experiment.yaml").open("a") as file:
        file.write("# easier\n")


def from_other(name: str) -> Spoil:
    def spoil(record: Path, other: Path) -> None:
        shutil.copy(other / name, record / name)

    return spoil


def removed(name: str) -> Spoil:
    return lambda record, other: (record / name).unlink()


def added(record: Path, other: Path) -> None:
    shutil.copy(other / "requests.parquet", record / "signals.parquet")


def writes_cut_short(record: Path) -> None:
    _shorten(record, "writes")


def copies_cut_short(record: Path) -> None:
    _shorten(record, "copies")


def without_writes(record: Path) -> None:
    (record / "seal.json").unlink()
    (record / "writes.parquet").unlink()


def _shorten(record: Path, name: str) -> None:
    """The last hundred rows taken out, the seal taken away."""
    (record / "seal.json").unlink()
    path = record / f"{name}.parquet"
    table = pq.read_table(path)
    pq.write_table(table.slice(0, table.num_rows - 100), path)
