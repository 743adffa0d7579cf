"""A backup restored by the target's own command: what it is told, and what becomes of a failure."""

from __future__ import annotations

import asyncio
import sys
from datetime import datetime
from fractions import Fraction
from pathlib import Path
from time import monotonic_ns, time_ns

import pytest

from sloproof.run.ledger.order import Order, Restore
from sloproof.run.ledger.reading import Look
from sloproof.run.ledger.restoring import restored

DROP = "import pathlib; pathlib.Path('dropped').touch()"


def look(folder: Path, code: str, *, within: float = 20.0) -> Look:
    command = (sys.executable, "-c", code, "{until}")
    restore = Restore(
        at_ns=5_000_000_000,
        command=command,
        drop=(sys.executable, "-c", DROP),
        folder=str(folder),
        within_s=within,
    )
    order = Order(
        run="run-1",
        name="notes",
        rate=Fraction(50),
        slots=1,
        timeout_ns=10**9,
        read="select 1",
        copies=(),
        restore=restore,
    )
    begun = monotonic_ns() - 8_000_000_000
    return asyncio.run(restored(order, restore, begun, time_ns() - monotonic_ns()))


@pytest.mark.parametrize(
    ("code", "within", "error"),
    [
        ("raise SystemExit('no backup reaches it')", 20.0, "exit status 1: no backup reaches it"),
        ("import time; time.sleep(30)", 0.3, "did not end within 0.3 s"),
        ("""print('{"dsn": "postgresql://x@127.0.0.1:1/x"}')""", 20.0, "refused"),
    ],
)
def test_what_goes_wrong_is_told_and_the_copy_is_dropped_all_the_same(
    tmp_path: Path, code: str, within: float, error: str
) -> None:
    found = look(tmp_path, code, within=within)
    assert error in found.error
    assert (found.copy, found.ids, found.stable) == ("restored", {}, False)
    assert (tmp_path / "dropped").exists()


def test_the_command_is_told_the_moment_by_the_wall_clock(tmp_path: Path) -> None:
    before = time_ns() - 3_000_000_000
    found = look(tmp_path, "import sys, pathlib; pathlib.Path('until').write_text(sys.argv[1])")
    told = datetime.fromisoformat((tmp_path / "until").read_text())
    assert abs(told.timestamp() * 1e9 - before) < 1_000_000_000
    assert 0 < found.error_ns < 100_000_000
    assert found.until > 0
