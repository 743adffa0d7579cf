"""A backup restored by the target's own command: what it is told, and what becomes of a failure."""

from __future__ import annotations

import asyncio
import sys
from datetime import datetime
from fractions import Fraction
from pathlib import Path
from time import monotonic_ns, time_ns

import pytest

from sloproof.contracts import Owner
from sloproof.effects.restored_copy import Note
from sloproof.model.target import Entry, Target
from sloproof.run.ledger.driver import RealLedger
from sloproof.run.ledger.order import Order, Restore
from sloproof.run.ledger.reading import Look
from sloproof.run.ledger.restoring import restored

DROP = "import pathlib; pathlib.Path('dropped').touch()"

SLOW = """
import sys, time
print("as of the wrong moment", "still replaying", sep="\\n", file=sys.stderr, flush=True)
print('{"dsn": "postgresql://x@127.0.0.1:1/x"}', flush=True)
time.sleep(30)
"""


def ordered(folder: Path, code: str, within: float, program: str = sys.executable) -> Order:
    command = (program, "-c", code, "{until}")
    restore = Restore(
        at_ns=5_000_000_000,
        command=command,
        drop=(sys.executable, "-c", DROP),
        folder=str(folder),
        within_s=within,
        drop_within_s=within,
        note=str(folder / "note"),
    )
    return Order(
        run="run-1",
        name="notes",
        rate=Fraction(50),
        slots=1,
        timeout_ns=10**9,
        read="select 1",
        copies=(),
        restore=restore,
    )


def look(folder: Path, code: str, *, within: float = 20.0, program: str = sys.executable) -> Look:
    order = ordered(folder, code, within, program)
    assert order.restore is not None
    Note(Path(order.restore.note)).make(Owner("run-1", 1))
    begun = monotonic_ns() - 8_000_000_000
    return asyncio.run(restored(order, order.restore, begun, time_ns() - monotonic_ns()))


def test_a_restore_is_waited_for_as_long_as_the_target_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = ordered(tmp_path, "", within=3600)
    monkeypatch.setattr(Order, "write", lambda *_: None)
    ledger = RealLedger(tmp_path / "ledger", lambda _: order)
    ledger.prepare(
        Target(
            name="t",
            origin="t.yaml",
            folder=".",
            platform="local",
            entry=Entry(url="http://localhost"),
        )
    )
    assert ledger.reading_takes() > 2 * 3600e9


@pytest.mark.parametrize(
    ("code", "within", "error", "failed"),
    [
        ("raise SystemExit('no such backup')", 20, "exit status 1: no such backup", True),
        ("raise SystemExit(3)", 20, "exit status 3", True),
        # The status of who could not be started: here it is the command's own.
        ("raise SystemExit(127)", 20, "exit status 127", True),
        (SLOW, 3, "no end within 3 s: still replaying", True),
        ("print('done')", 20, "exit status 0, but no dsn was printed", True),
        # Whoever sent the signal, the command did not come to its own end.
        ("import os; os.kill(os.getpid(), 15)", 20, "ended by SIGTERM", False),
        ("""print('{"dsn": "postgresql://x@127.0.0.1:1/x"}')""", 20, "refused", False),
    ],
)
def test_what_goes_wrong_is_told_and_the_copy_is_dropped_all_the_same(
    tmp_path: Path, code: str, within: float, error: str, failed: bool
) -> None:
    found = look(tmp_path, code, within=within)
    assert error in found.error
    assert found.failed == failed
    assert (found.copy, found.ids, found.stable) == ("restored", {}, False)
    assert (tmp_path / "dropped").exists()


def test_a_command_that_cannot_be_run_says_nothing_of_the_backup(tmp_path: Path) -> None:
    found = look(tmp_path, "", program=str(tmp_path / "nowhere"))
    assert found.error == f"{tmp_path}/nowhere: No such file or directory"
    assert not found.failed


def test_the_command_is_told_the_moment_by_the_wall_clock(tmp_path: Path) -> None:
    before = time_ns() - 3_000_000_000
    found = look(tmp_path, "import sys, pathlib; pathlib.Path('until').write_text(sys.argv[1])")
    told = datetime.fromisoformat((tmp_path / "until").read_text())
    assert abs(told.timestamp() * 1e9 - before) < 1_000_000_000
    assert 0 < found.error_ns < 100_000_000
    assert found.until > 0
