from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from sloproof.report.page import PACKAGE
from tests.report import sample

MEASURE = """
import json, resource, sys, time
from pathlib import Path
begun = time.monotonic()
from sloproof.record.reader import Record
from sloproof.report.page import write_report
from tests.report import sample
record = Record(Path(sys.argv[1]))
write_report(record, sample.verdict(), Path(sys.argv[2]))
print(json.dumps({
    "seconds": time.monotonic() - begun,
    "MiB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    "kB": Path(sys.argv[2]).stat().st_size / 1000,
}))
"""


def measure(folder: Path, out: Path) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, folder, out],
        capture_output=True,
        text=True,
        check=True,
        cwd=PACKAGE.parent,
    )
    found: dict[str, float] = json.loads(done.stdout)
    return found


def test_a_million_requests_fit_into_time_memory_and_page(tmp_path: Path) -> None:
    sample.record(tmp_path / "r", count=1_000_000)
    found = measure(tmp_path / "r", tmp_path / "report.html")
    assert found["seconds"] <= 10, found
    assert found["MiB"] <= 768, found
    assert found["kB"] <= 400, found
