"""A ledger's process on a store that is there for real."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

from sloproof.model.stores import SqlWrite
from sloproof.model.target import Entry, Target
from sloproof.record.schema import WriteOutcome
from sloproof.run.ledger.driver import RealLedger
from sloproof.run.ledger.order import CopyAt, Order
from sloproof.run.ledger.rows import Write, read_rows

ROOT = Path(__file__).parents[3]
PATIENCE_S = 40
MS = 1_000_000
TABLE = "create table if not exists ledger (id text, run text, sequence bigint)"
STATEMENT = "insert into ledger (id, run, sequence) values (%(id)s, %(run)s, %(sequence)s)"
READ = "select id from ledger where run = %(run)s"
TARGET = Target(
    name="store", origin="t", folder=".", platform="local", entry=Entry(url="http://127.0.0.1")
)


def until(condition: Callable[[], object], what: str) -> None:
    """Wait for a condition; fails naming what did not come."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not come"
        time.sleep(0.005)


def order(copies: Mapping[str, str], **more: Any) -> Order:
    """By SQL to the first copy that can be written, unless something else is said."""
    dsn = more.pop("dsn", next(iter(copies.values()), ""))
    sql = None if "http" in more else SqlWrite(dsn=dsn, statement=more.pop("statement", STATEMENT))
    usual: dict[str, Any] = {
        "run": "run-1",
        "name": "orders",
        "rate": Fraction(100),
        "slots": 16,
        "timeout_ns": 1000 * MS,
        "read": READ,
        "sql": sql,
        "copies": tuple(CopyAt(name, dsn) for name, dsn in copies.items()),
    }
    return Order(**usual | more)


class Staged:
    """A driven ledger, and what it has written down so far."""

    def __init__(self, folder: Path, ledger: RealLedger, process: subprocess.Popen[bytes]) -> None:
        self.folder, self.ledger, self.process = folder, ledger, process

    def begin(self) -> int:
        at = time.monotonic_ns()
        self.ledger.begin(at)
        return at

    def rows(self) -> list[Write]:
        return read_rows(self.folder)

    def count(self, outcome: WriteOutcome) -> int:
        return sum(write.outcome is outcome for write in self.rows())

    def acknowledged(self, least: int) -> None:
        """Wait until so many writes are acknowledged in all."""
        self.wait_for(WriteOutcome.ACKNOWLEDGED, least)

    def wait_for(self, outcome: WriteOutcome, least: int) -> None:
        until(lambda: self.count(outcome) >= least, f"{least} times {outcome.name}")

    def end(self, *, read: bool = True) -> None:
        self.ledger.stop(time.monotonic_ns(), read=read)
        until(lambda: self.ledger.state() == "done", "the end of the ledger")


@contextmanager
def staged(folder: Path, wanted: Order) -> Iterator[Staged]:
    """A ledger whose process is ready; it is gone afterwards."""
    ledger = RealLedger(folder / "ledger", lambda _: wanted)
    [effect] = ledger.prepare(TARGET)
    argv = effect.argv  # type: ignore[attr-defined]  # it is a Process
    process = subprocess.Popen(argv, cwd=ROOT)
    try:
        until(lambda: ledger.state() == "ready", "the ledger's process")
        yield Staged(folder / "ledger", ledger, process)
    finally:
        process.kill()
        process.wait()
